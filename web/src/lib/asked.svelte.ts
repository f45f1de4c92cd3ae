// A question to the API, asked again every so often while its answer is shown.

import { live } from './live.svelte'

export interface Answer<T> {
  readonly value: T | null
  /** Why there is no newer one. */
  readonly trouble: Error | null
  again(): void
}

/** To be called as a component is made; what `ask` reads of the page's state asks again when it
 * changes. Nothing is asked while the connection is lost. */
export function asked<T>(ask: () => Promise<T>, every_s: number): Answer<T> {
  let value = $state.raw<T | null>(null)
  let trouble = $state.raw<Error | null>(null)
  let turn = $state(0)
  const connected = $derived(live.link === 'up')

  $effect(() => {
    void turn
    if (!connected) return
    let awaited = true
    ask().then(
      (answer) => {
        if (!awaited) return
        value = answer
        trouble = null
      },
      (error: Error) => awaited && (trouble = error),
    )
    const timer = setTimeout(() => (turn += 1), every_s * 1000)
    return () => {
      awaited = false
      clearTimeout(timer)
    }
  })

  return {
    get value() {
      return value
    },
    get trouble() {
      return trouble
    },
    again: () => (turn += 1),
  }
}
