// What the API sends; docs/internals.md and /openapi.json describe it. null is unknown.

export type Scope = 'cell' | 'line' | 'boiler' | 'site'
export type Value = number | null
export type Column = Value[]

export interface Figure {
  name: string
  scope: Scope
  window: 'beat' | 'minute' | 'hour' | 'shift' | 'day'
  unit: string
  coverage: string
  decimals: number
  label: string
  label_zh: string
}

export interface Signal {
  name: string
  entity: string
  unit: string
  kind: 'gauge' | 'counter' | 'state'
  label: string
  label_zh: string
}

export interface Line {
  id: string
  name: string
  name_zh: string
  nominal_current_kA: number
  sections: { id: string; cells: string[] }[]
  cells: string[]
}

export interface Cell {
  id: string
  number: string
  line: string
  section: string
  target_voltage_V: number
  target_dc_kWh_per_t: number
  tags: string[]
}

export interface Plant {
  site: { id: string; name: string; name_zh: string; time_zone: string }
  beat_s: number
  lines: Line[]
  cells: Cell[]
  boilers: { id: string; name: string }[]
  signals: Signal[]
  figures: Record<Scope, Figure[]>
}

export interface SourceStatus {
  id: string
  kind: string
  link: 'connecting' | 'connected' | 'disconnected'
  flowing: boolean
  age_s: number | null
  last_error: string
  unresolved: number
}

export type Columns = Record<string, Record<string, Column>>

export interface Snapshot {
  time_ms: number | null
  stale: boolean
  figures: Columns
  signals: Columns
  sources: SourceStatus[]
}

/** A column whole, or the places of it that changed. */
export type Change = Column | { i: number[]; v: Column }
export type Changes = Record<string, Record<string, Change>>

/** What of a snapshot changed with a beat; parts that did not are absent. */
export type Delta = Partial<Omit<Snapshot, 'figures' | 'signals'>> & {
  figures?: Changes
  signals?: Changes
}

export interface Alarm {
  id: number
  rule: string
  entity: string
  line: string
  priority: number
  state: 'unack-active' | 'ack-active' | 'rtn-unack' | 'normal'
  label: string
  label_zh: string
  value: Value
  limit: Value
  unit: string
  raised: string
  cleared: string | null
  acknowledged: string | null
  acknowledged_by: string
  comment: string
}

export interface FigureHistory {
  time_ms: number[]
  values: Record<string, Record<string, Column>>
}

export interface Samples {
  time_ms: number[]
  min: Column
  max: Column
}

export interface AnodeEffect {
  cell: string
  start: string
  end: string
  elapsed_s: number
  max_V: number
  incomplete: boolean
}

export interface Explanation {
  figure: string
  entity: string
  time: string
  value: Value
  unit: string
  formula: string
  method: string
  source: string
  coverage: Value
  inputs: { name: string; entity: string; value: Value; unit: string }[]
  factors: {
    name: string
    value: number
    unit: string
    source: string
    year: number | null
    certainty: string
  }[]
}
