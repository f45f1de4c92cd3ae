// Figures of one quantity over several windows, brought together.

import { label } from './text'
import type { Figure } from './types'

const WINDOW_WORDS =
  /, (this minute|this hour|this shift|today|last 30 days)$|^(本分钟|本小时|本班|当日|近30天)/

/** The quantity of a figure: its name without the window. */
export function quantityOf({ name, window }: Figure): string {
  return name.endsWith(`_${window}`) ? name.slice(0, -window.length - 1) : name
}

/** Its label without the window. */
export const quantityLabel = (row: { label: string; label_zh: string }) =>
  label(row).replace(WINDOW_WORDS, '')
