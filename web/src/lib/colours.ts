// The map's colours, taken from the style sheet: grey in the middle, blue below, orange above.

const STEPS = 32

type Rgb = [number, number, number]

function rgb(hex: string): Rgb {
  const n = parseInt(hex.slice(1), 16)
  return [n >> 16, (n >> 8) & 255, n & 255]
}

const css = ([r, g, b]: Rgb) => `rgb(${r} ${g} ${b})`

function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((c) => ((c / 255) ** 2.2)) as Rgb
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

export interface Shade {
  fill: string
  text: string
}

export interface Colours {
  unknown: Shade
  rule: string
  text: string
  dim: string
  ground: string
  strong: string
  onPriority: string
  priority: [string, string, string]
  /** Shade of a departure from -1 to 1. */
  shade: (departure: number) => Shade
  gradient: string
}

export function colours(element: Element): Colours {
  const style = getComputedStyle(element)
  const named = (name: string) => style.getPropertyValue(name).trim()
  const base = rgb(named('--map-base'))
  const blend = (to: Rgb, part: number) =>
    base.map((c, i) => Math.round(c + (to[i]! - c) * part)) as Rgb
  const shades = Array.from({ length: 2 * STEPS + 1 }, (_, k): Shade => {
    const departure = k / STEPS - 1
    const part = Math.abs(departure)
    // the first step off grey is already seen
    const colour = blend(rgb(named(departure < 0 ? '--map-low' : '--map-high')), part && 0.25 + 0.75 * part)
    return { fill: css(colour), text: luminance(colour) > 0.22 ? '#000' : '#fff' }
  })
  return {
    unknown: { fill: named('--map-unknown'), text: named('--dim') },
    rule: named('--rule'),
    text: named('--text'),
    dim: named('--dim'),
    ground: named('--panel'),
    strong: named('--strong'),
    onPriority: named('--on-priority'),
    priority: [named('--priority-1'), named('--priority-2'), named('--priority-3')],
    shade: (departure) => shades[Math.round((departure + 1) * STEPS)]!,
    gradient: `linear-gradient(to right, ${shades.map((s) => s.fill).join(',')})`,
  }
}
