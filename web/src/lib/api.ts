// Questions to the API. A refusal becomes an Error with the server's own sentence and remedy.
// Times are told as the API reads them: ISO 8601, or "-24h" before now.

import type {
  Alarm,
  AnodeEffect,
  Book,
  Entry,
  Explanation,
  FigureHistory,
  LowEfficiency,
  Meters,
  NewEntry,
  Pair,
  Plant,
  Restatement,
  Samples,
  Scope,
  Superseded,
  Uncertainty,
  WhatIf,
} from './types'

const ROOT = '/api/v1'
const PATIENCE_MS = 15_000
const LONG_MS = 60_000 // for what reads days of samples

export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message)
  }
}

async function ask<T>(path: string, init: RequestInit = {}, patience_ms = PATIENCE_MS): Promise<T> {
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(patience_ms) })
  if (response.ok) return (await response.json()) as T
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; remedy?: string }
  const sentence = problem.detail ?? `${path}: ${response.status} ${response.statusText}`
  throw new Refusal(
    problem.remedy ? `${sentence} (${problem.remedy})` : sentence,
    response.status,
  )
}

function send<T>(path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  return ask(path, { method: 'POST', headers, body: JSON.stringify(body) })
}

const iso = (ms: number) => new Date(ms).toISOString()

export const health = (): Promise<{ pair?: Pair }> => ask('/healthz')

export async function isAlive(patience_ms: number): Promise<boolean> {
  const signal = AbortSignal.timeout(patience_ms)
  return fetch('/healthz', { signal, cache: 'no-store' }).then(
    (response) => response.ok,
    () => false,
  )
}

/** The plant, the tag of its version, and how far the server's clock is ahead of ours [ms]. */
export async function plant(): Promise<{ plant: Plant; version: string; ahead_ms: number }> {
  const response = await fetch(`${ROOT}/plant`, { signal: AbortSignal.timeout(5_000) })
  if (!response.ok) throw new Error(`${ROOT}/plant: ${response.status}`)
  const ahead_ms = Date.parse(response.headers.get('date') ?? '') + 500 - Date.now()
  return {
    plant: (await response.json()) as Plant,
    version: response.headers.get('etag') ?? '',
    ahead_ms: Math.abs(ahead_ms) > 2_000 ? ahead_ms : 0, // the header has whole seconds only
  }
}

export function figures(
  scope: Scope,
  names: string[],
  entities: string[],
  from: number,
  to: number,
  points: number,
): Promise<FigureHistory> {
  const query = new URLSearchParams({ scope, from: iso(from), to: iso(to), points: `${points}` })
  for (const name of names) query.append('figure', name)
  for (const entity of entities) query.append('entity', entity)
  return ask(`${ROOT}/figures?${query}`)
}

export function samples(tag: string, from: number, to: number, points: number): Promise<Samples> {
  const query = new URLSearchParams({ tag, from: iso(from), to: iso(to), points: `${points}` })
  return ask(`${ROOT}/samples?${query}`)
}

export async function anodeEffects(cell: string, from: string): Promise<AnodeEffect[]> {
  const query = new URLSearchParams({ cell, from })
  const body = await ask<{ anode_effects: AnodeEffect[] }>(`${ROOT}/anode-effects?${query}`)
  return body.anode_effects
}

export function explain(
  scope: Scope,
  entity: string,
  figure: string,
  at: string | null,
): Promise<Explanation> {
  const query = new URLSearchParams({ scope, entity, figure, ...(at && { at }) })
  return ask(`${ROOT}/explain?${query}`)
}

export async function superseded(
  scope: Scope,
  entity: string,
  figure: string,
  at: string,
): Promise<Superseded[]> {
  const query = new URLSearchParams({ scope, entity, figure, at })
  const body = await ask<{ superseded: Superseded[] }>(`${ROOT}/superseded?${query}`)
  return body.superseded
}

export async function restatements(from: string): Promise<Restatement[]> {
  const query = new URLSearchParams({ from })
  const body = await ask<{ restatements: Restatement[] }>(`${ROOT}/restatements?${query}`)
  return body.restatements
}

export function uncertainty(scope: Scope, entity: string): Promise<Uncertainty> {
  return ask(`${ROOT}/uncertainty?${new URLSearchParams({ scope, entity })}`)
}

/** The newest figures of the last 30 days: of one entity, or of all of a scope. */
export function book(scope: Scope, entity?: string): Promise<Book> {
  return ask(`${ROOT}/book?${new URLSearchParams({ scope, ...(entity && { entity }) })}`)
}

export const lowEfficiency = (): Promise<LowEfficiency> => ask(`${ROOT}/low-efficiency`)

export const meters = (from: string): Promise<Meters> =>
  ask(`${ROOT}/meters?${new URLSearchParams({ from })}`, {}, LONG_MS)

export function whatIf(cells: string[], change_mV: number): Promise<WhatIf> {
  return send(`${ROOT}/what-if`, { cells, change_mV })
}

export async function entries(entity: string, limit: number): Promise<Entry[]> {
  const query = new URLSearchParams({ entity, limit: `${limit}` })
  return (await ask<{ entries: Entry[] }>(`${ROOT}/entries?${query}`)).entries
}

export const enter = (entry: NewEntry): Promise<unknown> => send(`${ROOT}/entries`, entry)

export function acknowledge(id: number, who: string, comment: string): Promise<Alarm> {
  return send(`${ROOT}/alarms/${id}/acknowledge`, { who, comment })
}

export const stream = () => new EventSource(`${ROOT}/stream`)
