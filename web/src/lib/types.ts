// What the API sends; docs/internals.md and /openapi.json describe it. null is unknown.

export type Scope = 'cell' | 'line' | 'boiler' | 'site'
export type Value = number | null
export type Column = Value[]

export interface Figure {
  name: string
  scope: Scope
  window: 'beat' | 'minute' | 'hour' | 'shift' | 'day' | '30d' | 'book'
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
  /** What is slow is analysed or weighed, and may be entered. */
  pace: 'fast' | 'slow'
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
  site: { id: string; name: string; name_zh: string; time_zone: string; currency: string }
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

/** Of a pair of collectors: the one that serves the page, and what it knows of the other. */
export interface Pair {
  name: string
  role: 'active' | 'standby'
  reason: string
  peer: string
  peer_active: boolean
  peer_age_s: number | null
  trouble: string
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

/** In the figure's unit; `expanded` is half of the interval that holds the truth with 95 %. */
export interface Interval {
  standard: number
  expanded: number
}

export interface Uncertainty {
  figures: Record<string, Interval | null>
}

export interface Superseded {
  version: number
  value: number
  cause: string
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
  uncertainty: {
    standard: Value
    expanded: Value
    parts: { cause: string; label: string; label_zh: string; standard: Value; share: Value }[]
  }
  inputs: { name: string; entity: string; value: Value; unit: string; uncertainty: Value }[]
  factors: {
    name: string
    value: number
    unit: string
    source: string
    year: number | null
    certainty: string
    uncertainty_percent: Value
  }[]
  samples: {
    signal: string
    tags: number
    tag: string
    source: string
    kind: string
    count: number
    first: string | null
    last: string | null
  }[]
  notes: { en: string; zh: string }[]
}

export interface Restatement {
  version: number
  cause: string
  tags: string[]
  start: string
  end: string
  noted: string
  done: string | null
  beats: number
  changed: Record<string, number>
  remark: string
}

export interface BookFigure {
  name: string
  unit: string
  decimals: number
  label: string
  label_zh: string
  formula: string
  method: string
  source: string
}

export interface Book {
  time: string
  figures: BookFigure[]
  entities: string[]
  /** By figure, in the order of the entities. */
  values: Record<string, Column>
}

export interface LowCell {
  cell: string
  line: string
  kWh_per_t: number
  median_kWh_per_t: number
  excess_kWh_per_t: number
  metal_balance: boolean
  since: string
  reasons: { code: string; text: string; text_zh: string }[]
}

export interface LowEfficiency {
  time: string
  cells: LowCell[]
}

export interface WhatIf {
  cells: {
    kWh_per_t: Value
    kWh_per_t_uncertainty: Value
    distance_mm: Value
    heat_kW: Value
    superheat_K: Value
    break_even_ce_points: Value
    noise_lf_mV: Value
    warnings: string[]
  }[]
  dc_MWh_per_a: Value
  ac_MWh_per_a: Value
  co2e_location_t_per_a: Value
  co2e_market_t_per_a: Value
  cost_per_a: Value
  currency: string
  notes: string[]
}

export interface NewEntry {
  entity: string
  signal: string
  time: string
  value: Value // null withdraws what was said of that time
  unit: string
  who: string
  comment: string
}

export interface Entry extends NewEntry {
  entered: string
  /** No later entry of the same time corrects it. */
  stands: boolean
}

export interface Meters {
  start: string
  end: string
  instruments: {
    id: string
    name: string
    kind: string
    line: string
    parent: string
    level: '' | 'site' | 'unit' | 'equipment'
    accuracy_class: string
    serial: string
    calibrated: string
    calibration_expires: string
    calibration: 'valid' | 'expires_60' | 'expires_30' | 'expires_7' | 'expired' | 'unknown'
    days_left: number | null
  }[]
  counters: {
    entity: string
    counted_MWh: Value
    counted_uncertainty_MWh: Value
    integrated_MWh: Value
    integrated_uncertainty_MWh: Value
    difference_percent: Value
    set_aside_MWh: Value
    events: { time: string; what: string }[]
  }[]
  /** Uncertainties are standard ones. */
  reconciliation: {
    flows: {
      id: string
      unit: string
      raw: Value
      uncertainty: Value
      adjusted: Value
      adjusted_uncertainty: Value
      gross: boolean
    }[]
    balances: { name: string; residual: Value; uncertainty: Value }[]
    degrees: number
    p_value: Value
    gross: { ids: string[]; size: Value; sentence: string }[]
    verdict: string
  }
  suspects: { tag: string; kind: 'stuck' | 'drifting' | 'unit'; since: string; sentence: string }[]
  coverage: {
    line: string
    section: string
    kind: string
    expected: number
    live: number
    good: number
    share: number
  }[]
  missing: string[]
}
