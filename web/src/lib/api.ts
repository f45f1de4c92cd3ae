// Questions to the API. A refusal becomes an Error with the server's own sentence and remedy.

import type {
  Alarm,
  AnodeEffect,
  Explanation,
  FigureHistory,
  Plant,
  Samples,
  Scope,
} from './types'

const ROOT = '/api/v1'
const PATIENCE_MS = 15_000

async function ask<T>(path: string, init: RequestInit = {}, patience_ms = PATIENCE_MS): Promise<T> {
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(patience_ms) })
  if (response.ok) return (await response.json()) as T
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; remedy?: string }
  const sentence = problem.detail ?? `${path}: ${response.status} ${response.statusText}`
  throw new Error(problem.remedy ? `${sentence} (${problem.remedy})` : sentence)
}

const iso = (ms: number) => new Date(ms).toISOString()

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

export async function anodeEffects(cell: string, from: number, to: number): Promise<AnodeEffect[]> {
  const query = new URLSearchParams({ cell, from: iso(from), to: iso(to) })
  const body = await ask<{ anode_effects: AnodeEffect[] }>(`${ROOT}/anode-effects?${query}`)
  return body.anode_effects
}

export function explain(scope: Scope, entity: string, figure: string): Promise<Explanation> {
  return ask(`${ROOT}/explain?${new URLSearchParams({ scope, entity, figure })}`)
}

export function acknowledge(id: number, who: string, comment: string): Promise<Alarm> {
  return ask(`${ROOT}/alarms/${id}/acknowledge`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ who, comment }),
  })
}

export const stream = () => new EventSource(`${ROOT}/stream`)
