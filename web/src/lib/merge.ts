// A snapshot and the deltas after it: columns are changed in place, nothing is copied.

import type { Changes, Columns, Delta, Snapshot } from './types'

function mergeColumns(columns: Columns, changes: Changes): void {
  for (const [kind, changed] of Object.entries(changes)) {
    const of = (columns[kind] ??= {})
    for (const [name, change] of Object.entries(changed)) {
      if (Array.isArray(change)) {
        of[name] = change
        continue
      }
      const column = (of[name] ??= [])
      change.i.forEach((place, k) => (column[place] = change.v[k] ?? null))
    }
  }
}

export function merge(snapshot: Snapshot, { figures, signals, ...rest }: Delta): void {
  Object.assign(snapshot, rest)
  if (figures) mergeColumns(snapshot.figures, figures)
  if (signals) mergeColumns(snapshot.signals, signals)
}
