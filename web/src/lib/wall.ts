// Wall time of the site, as an input of type datetime-local has it: "2026-11-21T19:40".

const MINUTE_MS = 60_000

export function wall(at: number, timeZone: string): string {
  const format = new Intl.DateTimeFormat('sv', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  return format.format(at).replace(' ', 'T')
}

/** [ms since the epoch]; of an hour that the clocks repeat, one of both. */
export function fromWall(text: string, timeZone: string): number {
  const asUtc = Date.parse(`${text}Z`)
  const ahead = (at: number) =>
    Date.parse(`${wall(at, timeZone)}Z`) - Math.floor(at / MINUTE_MS) * MINUTE_MS
  return asUtc - ahead(asUtc - ahead(asUtc))
}
