// Words, numbers, times and units as people read them, in the language they chose.

import { live } from './live.svelte'
import { settings } from './settings.svelte'
import type { Figure, Interval, Value } from './types'
import { words, type Word } from './words'

export const UNKNOWN = '—'

export function t(word: Word, fill: Record<string, string | number> = {}): string {
  const text: string = words[word][settings.language === 'zh' ? 1 : 0]
  return text.replace(/\{(\w+)\}/g, (_, key: string) => `${fill[key] ?? ''}`)
}

/** The name of something that the plant names in both languages. */
export function named(thing: { name: string; name_zh: string }): string {
  return settings.language === 'zh' ? thing.name_zh || thing.name : thing.name
}

export function label(thing: { label: string; label_zh: string }): string {
  return settings.language === 'zh' ? thing.label_zh || thing.label : thing.label
}

const formats = new Map<number, Intl.NumberFormat>()

export function number(value: Value | undefined, decimals: number): string {
  if (value === null || value === undefined) return UNKNOWN
  let format = formats.get(decimals)
  if (!format) {
    format = new Intl.NumberFormat('en', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    })
    formats.set(decimals, format)
  }
  return format.format(value).replace(/^-(?=[0.,]*$)/, '').replace('-', '−')
}

export function percent(value: Value | undefined): string {
  if (value === null || value === undefined) return UNKNOWN
  // 99.96 % is not 100 %, nor 0.04 % nothing: what is missing must not be rounded away
  if (value > 0 && value < 0.001) return '<0.1 %'
  const fine = (value > 0.99 && value < 1) || (value > 0 && value < 0.01)
  return `${number(Math.floor(value * 1000) / 10, fine ? 1 : 0)} %`
}

/** For values that have no row in the table of figures to tell their decimals. */
export function plain(value: Value, digits = 6): string {
  if (value === null) return UNKNOWN
  const format = new Intl.NumberFormat('en', { maximumSignificantDigits: digits })
  return format.format(value).replace('-', '−')
}

const GASES: [RegExp, string][] = [
  [/intensity/, 't CO₂e/t'],
  [/co2e/, 't CO₂e'],
  [/co2/, 't CO₂'],
]
const UNITS: Record<string, string> = { '1': '', degC: '°C', uOhm: 'µΩ', 't/t': 't/t' }
const UNITS_ZH: Record<string, string> = {
  '1/(cell·d)': '次/(槽·日)',
  'min/(cell·d)': 'min/(槽·日)',
}

/** The unit in print; tonnes of a greenhouse gas say of which. */
export function unit(unit: string, name = ''): string {
  if (unit === 't' || unit === 't/t') {
    for (const [pattern, text] of GASES) if (pattern.test(name)) return text
  }
  if (unit === 'currency') return live.plant?.site.currency ?? ''
  return (settings.language === 'zh' && UNITS_ZH[unit]) || (UNITS[unit] ?? unit)
}

export function figureText(figure: Figure, value: Value | undefined): string {
  if (figure.name.startsWith('coverage')) return percent(value)
  return number(value, figure.decimals)
}

/** Of a standard uncertainty, for the interval that holds the truth with 95 %. */
export const COVERAGE_FACTOR = 1.96

/** Decimals that show two digits of a doubt. */
const doubtDecimals = (expanded: number) => Math.max(0, 1 - Math.floor(Math.log10(expanded)))
const twoDigits = (value: number) => Number(value.toPrecision(2))

/** "± 60" with 95 %: two digits, no more decimals than the figure has, but one digit at least. */
export function plusMinus(
  { decimals }: { decimals: number },
  { expanded }: { expanded: number },
): string {
  const text =
    expanded < 0.5 * 10 ** -decimals
      ? plain(expanded, 1)
      : number(twoDigits(expanded), Math.min(decimals, doubtDecimals(expanded)))
  return `± ${text}`
}

/** What the ± of a figure means, or why there is none. */
export function intervalTitle(figure: Figure, interval: Interval | null | undefined): string {
  if (interval === null) return t('no_accuracy')
  if (!interval?.expanded) return ''
  return t('interval', {
    interval: `${plusMinus(figure, interval)} ${unit(figure.unit, figure.name)}`,
  })
}

/** A measured value, to the digits that the 95 % of a standard uncertainty leave: "12.31 ± 0.04". */
export function measured(value: Value, u: Value, digits = 5): string {
  if (value === null || !u) return plain(value, digits)
  const expanded = COVERAGE_FACTOR * u
  const decimals = doubtDecimals(expanded)
  return `${number(value, decimals)} ± ${number(twoDigits(expanded), decimals)}`
}

/** A figure of the book; of an efficiency as a share its percent. `u`: its standard uncertainty. */
export function bookText(
  row: { name: string; unit: string; decimals: number },
  value: Value,
  u: Value = null,
): string {
  if (value === null) return UNKNOWN
  if (row.unit !== '1' || !/^(current_efficiency|coverage)/.test(row.name)) {
    return number(value, row.decimals)
  }
  const text = u ? measured(100 * value, 100 * u) : number(100 * value, Math.max(0, row.decimals - 2))
  return `${text} %`
}

const clocks = new Map<string, Intl.DateTimeFormat>()

function clock(kind: 'time' | 'minute' | 'date' | 'moment'): Intl.DateTimeFormat {
  const timeZone = live.plant?.site.time_zone ?? 'UTC'
  const key = `${kind} ${settings.language} ${timeZone}`
  let format = clocks.get(key)
  if (!format) {
    const fields: Intl.DateTimeFormatOptions = {
      date: { year: 'numeric', month: 'short', day: 'numeric', weekday: 'short' } as const,
      moment: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' } as const,
      minute: { hour: '2-digit', minute: '2-digit' } as const,
      time: { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const,
    }[kind]
    const locale = settings.language === 'zh' ? 'zh-CN' : 'en-GB'
    format = new Intl.DateTimeFormat(locale, { ...fields, timeZone, hourCycle: 'h23' })
    clocks.set(key, format)
  }
  return format
}

/** Times are the site's, wherever the viewer sits. */
export const time = (at: number | string) => clock('time').format(new Date(at))
export const minute = (at: number | string) => clock('minute').format(new Date(at))
export const date = (at: number | string) => clock('date').format(new Date(at))
export const moment = (at: number | string) => clock('moment').format(new Date(at))

export function duration(seconds: Value): string {
  if (seconds === null) return UNKNOWN
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  const m = Math.floor(s / 60)
  if (m < 60) return `${m} min ${s % 60} s`
  const h = Math.floor(m / 60)
  return h < 48 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} d ${h % 24} h`
}

/** How long ago, roughly. */
export const age = (at: string) => duration((live.now - Date.parse(at)) / 1000).replace(/(?<=[a-z]) .*/, '')
