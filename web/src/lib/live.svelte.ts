// The plant as it is now: one stream, kept alive, and the state that it brings.

import * as api from './api'
import { merge } from './merge'
import type { Alarm, Cell, Delta, Figure, Plant, Scope, Snapshot, SourceStatus, Value } from './types'

const TICK_MS = 500
const QUIET_MS = 2_500 // the stream says something each second or two; after this we ask whether
const PROBE_MS = 1_500 // the server is there: 0.5 + 2.5 + 1.5 s is below the banner's 5 s
const SILENT_MS = 10_000 // a server that is there but does not stream: begin a new stream
const STALE_MS = 3_500
const SLOWEST_RETRY_MS = 5_000

class Live {
  plant = $state.raw<Plant | null>(null)
  link = $state<'connecting' | 'up' | 'lost'>('connecting')
  lostSince = $state<number | null>(null)
  /** Rises with each connection: who shows history loads it anew. */
  session = $state(0)
  /** Rises with each state received; reading a value depends on it. */
  beat = $state(0)
  time_ms = $state<number | null>(null)
  alarms = $state.raw<Alarm[]>([])
  sources = $state.raw<SourceStatus[]>([])
  /** Now by the server's clock. [ms] */
  now = $state(Date.now())
  #staleByServer = $state(false)
  #renewed = $state(performance.now()) // when time_ms last changed
  #sampled = $state(performance.now()) // when any source last brought a sample
  #ticked = $state(performance.now())

  #snapshot: Snapshot | null = null
  #version = ''
  #ahead_ms = 0
  #heard = performance.now()
  #attempts = 0
  #probing = false
  #events: EventSource | null = null
  #cellPlaces = new Map<string, number>()

  /** How long there has been no beat, or no source has brought anything. [ms] */
  #still_ms = $derived(this.#ticked - Math.min(this.#renewed, this.#sampled))
  /** Connected, but the newest figures are old. */
  stale = $derived(
    this.link === 'up' &&
      (this.#staleByServer ||
        this.#still_ms > Math.max(STALE_MS, 2_500 * (this.plant?.beat_s ?? 1))),
  )
  staleSince = $derived(this.now - this.#still_ms)
  /** Nothing shown can be trusted to be of now. */
  old = $derived(this.stale || this.link !== 'up')
  silentSources = $derived(this.sources.filter((s) => !s.flowing))
  /** Age of the newest beat. [s] */
  age_s = $derived(this.time_ms === null ? null : Math.max(0, (this.now - this.time_ms) / 1000))
  unacknowledged = $derived(this.alarms.filter((a) => a.acknowledged === null).length)

  start(): void {
    setInterval(() => this.#tick(), TICK_MS)
    void this.#connect()
  }

  figure(scope: Scope, name: string, place: number): Value {
    return this.column(scope, name)?.[place] ?? null
  }

  signal(kind: string, name: string, place: number): Value {
    void this.beat
    return this.#snapshot?.signals[kind]?.[name]?.[place] ?? null
  }

  column(scope: Scope, name: string): Value[] | undefined {
    void this.beat
    return this.#snapshot?.figures[scope]?.[name]
  }

  signalColumn(kind: string, name: string): Value[] | undefined {
    void this.beat
    return this.#snapshot?.signals[kind]?.[name]
  }

  row(scope: Scope, name: string): Figure | undefined {
    return this.plant?.figures[scope].find((f) => f.name === name)
  }

  cell(id: string): { cell: Cell; place: number } | null {
    const place = this.#cellPlaces.get(id)
    const cell = place === undefined ? undefined : this.plant?.cells[place]
    return cell && place !== undefined ? { cell, place } : null
  }

  replaceAlarm(alarm: Alarm): void {
    this.alarms = this.alarms
      .map((a) => (a.id === alarm.id ? alarm : a))
      .filter((a) => a.state !== 'normal')
  }

  async #connect(): Promise<void> {
    try {
      const { plant, version, ahead_ms } = await api.plant()
      if (this.plant !== null && version !== this.#version) return location.reload()
      this.#ahead_ms = ahead_ms
      if (this.plant === null) {
        this.#version = version
        this.#cellPlaces = new Map(plant.cells.map((cell, place) => [cell.id, place]))
        this.plant = plant
      }
    } catch {
      return this.#lose() // whatever kept the plant from us is shown as a lost connection
    }
    this.#heard = performance.now()
    const events = (this.#events = api.stream())
    events.onerror = () => this.#lose()
    this.#on(events, 'snapshot', (snapshot: Snapshot) => {
      this.#snapshot = snapshot
      if (this.link !== 'up') this.session += 1
      this.link = 'up'
      this.lostSince = null
      this.#attempts = 0
      this.#received()
    })
    this.#on(events, 'delta', (delta: Delta) => {
      if (this.#snapshot === null) return
      merge(this.#snapshot, delta)
      this.#received()
    })
    this.#on(events, 'alarms', (body: { alarms: Alarm[] }) => (this.alarms = body.alarms))
  }

  #on<T>(events: EventSource, name: string, take: (body: T) => void): void {
    events.addEventListener(name, (event) => {
      this.#heard = performance.now()
      take(JSON.parse((event as MessageEvent<string>).data) as T)
    })
  }

  #received(): void {
    const { time_ms, stale, sources } = this.#snapshot!
    if (time_ms !== this.time_ms) this.#renewed = performance.now()
    this.time_ms = time_ms
    const ages_s = sources.map((s) => s.age_s).filter((age) => age !== null)
    if (ages_s.length > 0) this.#sampled = performance.now() - 1000 * Math.min(...ages_s)
    this.#staleByServer = stale
    this.sources = sources
    this.beat += 1
  }

  #lose(): void {
    this.#events?.close()
    this.#events = null
    if (this.link !== 'lost') this.lostSince = Date.now() + this.#ahead_ms
    this.link = 'lost'
    const wait = Math.min(SLOWEST_RETRY_MS, 500 * 2 ** this.#attempts++)
    setTimeout(() => void this.#connect(), wait * (0.5 + Math.random() / 2))
  }

  #tick(): void {
    this.#ticked = performance.now()
    this.now = Date.now() + this.#ahead_ms
    const silent = this.#ticked - this.#heard
    if (this.#events === null || silent < QUIET_MS) return
    if (silent > SILENT_MS) return this.#lose()
    if (!this.#probing) void this.#probe(this.#events)
  }

  async #probe(events: EventSource): Promise<void> {
    this.#probing = true
    const alive = await api.isAlive(PROBE_MS)
    this.#probing = false
    if (!alive && this.#events === events && performance.now() - this.#heard >= QUIET_MS) this.#lose()
  }
}

export const live = new Live()
