// What the map can be coloured by. Grey is normal; only what departs from its reference gets a
// colour: blue below, orange above, which the colour-blind tell apart too.

import { live } from './live.svelte'
import type { Cell, Plant, Value } from './types'

export interface Quantity {
  figure: string
  /** What a cell is compared with: its set voltage, its energy target, its line, or zero. */
  reference: 'set_voltage' | 'energy_target' | 'line_median' | 'zero' | 'one'
  /** Departures up to here are grey, from `full` on of full colour; fractions for line_median. */
  normal: number
  full: number
}

export const quantities: Quantity[] = [
  { figure: 'voltage', reference: 'set_voltage', normal: 0.1, full: 0.5 },
  { figure: 'voltage_distance', reference: 'zero', normal: 20, full: 150 },
  { figure: 'resistance', reference: 'line_median', normal: 0.03, full: 0.15 },
  { figure: 'dc_specific_energy_minute', reference: 'energy_target', normal: 300, full: 1500 },
  { figure: 'dc_specific_energy_hour', reference: 'energy_target', normal: 300, full: 1500 },
  { figure: 'dc_specific_energy_day', reference: 'energy_target', normal: 200, full: 1000 },
  { figure: 'excess_specific_energy_minute', reference: 'zero', normal: 150, full: 600 },
  { figure: 'excess_specific_energy_hour', reference: 'zero', normal: 150, full: 600 },
  { figure: 'anode_effects_day', reference: 'zero', normal: 0, full: 3 },
  { figure: 'anode_effect_minutes_day', reference: 'zero', normal: 0, full: 5 },
  { figure: 'pfc_co2e_day', reference: 'zero', normal: 0, full: 10 },
  { figure: 'coverage_hour', reference: 'one', normal: 0.01, full: 0.5 },
]

function median(values: Value[]): number {
  const known = values.filter((v) => v !== null).sort((a, b) => a - b)
  return known.length ? known[Math.floor(known.length / 2)]! : NaN
}

export interface Reading {
  value: Value
  /** -1 … 1: how far from the reference, 0 within the normal band; null when unknown. */
  departure: number | null
}

/** The chosen quantity of each cell, by place. */
export function readings(plant: Plant, { figure, reference, normal, full }: Quantity): Reading[] {
  const values = live.column('cell', figure) ?? []
  const set = live.signalColumn('cell', 'target_voltage')
  const medians = new Map<string, number>()
  if (reference === 'line_median') {
    const byLine = Map.groupBy(plant.cells.keys(), (place) => plant.cells[place]!.line)
    for (const [line, places] of byLine) medians.set(line, median(places.map((p) => values[p] ?? null)))
  }
  const of = (cell: Cell, place: number): number => {
    if (reference === 'set_voltage') return set?.[place] ?? cell.target_voltage_V
    if (reference === 'energy_target') return cell.target_dc_kWh_per_t
    if (reference === 'line_median') return medians.get(cell.line)!
    return reference === 'one' ? 1 : 0
  }
  return plant.cells.map((cell, place) => {
    const value = values[place] ?? null
    if (value === null) return { value, departure: null }
    const base = of(cell, place)
    const off = (value - base) / (reference === 'line_median' ? base : 1)
    const beyond = Math.max(0, Math.abs(off) - normal) / (full - normal)
    return { value, departure: Math.sign(off) * Math.min(1, beyond) }
  })
}
