// The last hour of the board's figures: loaded from the history, then continued by each beat.

import * as api from './api'
import { live } from './live.svelte'
import type { Column, Scope } from './types'

const SPAN_S = 3600
const STEP_S = 5
const POINTS = SPAN_S / STEP_S

interface Series {
  x: number[] // s since the epoch
  y: Column
}

export class Trends {
  /** Rises when the series have changed. */
  version = $state(0)
  #series = new Map<string, Series>()
  #wanted: { scope: Scope; entities: string[]; figures: string[] }[]

  constructor(wanted: { scope: Scope; entities: string[]; figures: string[] }[]) {
    this.#wanted = wanted
  }

  data(scope: Scope, entity: string, figure: string): [number[], Column] {
    void this.version
    const { x, y } = this.#of(scope, entity, figure)
    return [x, y]
  }

  /** Put what the history knows before what the beats brought meanwhile. */
  async load(): Promise<void> {
    const to = live.now
    for (const { scope, entities, figures } of this.#wanted) {
      const history = await api.figures(scope, figures, [], to - SPAN_S * 1000, to, POINTS)
      const times = history.time_ms.map((ms) => ms / 1000)
      for (const entity of entities) {
        for (const figure of figures) {
          const past = history.values[entity]?.[figure] ?? []
          const { x, y } = this.#of(scope, entity, figure)
          const newest = times.at(-1) ?? -Infinity
          const from = x.findIndex((at) => at > newest)
          const rest = from < 0 ? x.length : from
          this.#series.set(`${scope} ${entity} ${figure}`, {
            x: [...times, ...x.slice(rest)],
            y: [...past, ...y.slice(rest)],
          })
        }
      }
    }
    this.version += 1
  }

  append(): void {
    if (live.time_ms === null) return
    const now = live.time_ms / 1000
    for (const { scope, entities, figures } of this.#wanted) {
      for (const figure of figures) {
        entities.forEach((entity, place) => {
          const { x, y } = this.#of(scope, entity, figure)
          const last = x.at(-1) ?? -Infinity
          if (now <= last) return
          if (now - last > 4 * STEP_S && x.length > 0) {
            x.push(last + STEP_S) // nobody listened: the line is broken, not drawn across
            y.push(null)
          }
          // the newest point moves along until it is a step away from the one before
          if (x.length > 1 && now - x.at(-2)! < STEP_S) {
            x.pop()
            y.pop()
          }
          x.push(now)
          y.push(live.figure(scope, figure, place))
          const old = x.findIndex((at) => at >= now - SPAN_S)
          x.splice(0, old)
          y.splice(0, old)
        })
      }
    }
    this.version += 1
  }

  #of(scope: Scope, entity: string, figure: string): Series {
    const key = `${scope} ${entity} ${figure}`
    let series = this.#series.get(key)
    if (!series) this.#series.set(key, (series = { x: [], y: [] }))
    return series
  }
}
