// Where each cell stands on the map: two rows to a line, the current going out along the upper row
// and coming back along the lower one, sections apart. Lengths are CSS pixels.

import type { Line } from './types'

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export interface Layout {
  boxes: Box[] // by place of the cell
  rows: number[][] // places of the cells of each row, from left to right
  sections: { id: string; x: number; y: number }[]
  lines: { y: number; height: number }[]
  height: number
}

interface Run {
  section: string
  places: number[]
}

/** The sections of the upper and of the lower row, split as evenly as whole sections allow. */
function halves(line: Line, placeOf: Map<string, number>): [Run[], Run[]] {
  const runs = line.sections.map((s) => ({
    section: s.id,
    places: s.cells.map((id) => placeOf.get(id)!),
  }))
  const half = line.cells.length / 2
  let count = 0
  let cut = 0
  while (cut < runs.length && count + runs[cut]!.places.length / 2 <= half) {
    count += runs[cut]!.places.length
    cut += 1
  }
  if (cut < runs.length && cut > 0) return [runs.slice(0, cut), runs.slice(cut)]
  const all = runs.flatMap((run) => run.places.map((place) => ({ section: run.section, place })))
  const middle = Math.ceil(half)
  const again = (part: typeof all): Run[] =>
    runs
      .map(({ section }) => ({
        section,
        places: part.filter((p) => p.section === section).map((p) => p.place),
      }))
      .filter((run) => run.places.length > 0)
  return [again(all.slice(0, middle)), again(all.slice(middle))]
}

export function layOut(
  lines: Line[],
  placeOf: Map<string, number>,
  width: number,
  height: number,
  em: number,
): Layout {
  const left = 4.2 * em // a line's name
  const apart = 0.7 * em // between lines
  const strip = 1.1 * em // above each row: section names, marks of narrow cells
  const right = 1.2 * em // the busbar from the upper row to the lower
  const split = lines.map((line) => halves(line, placeOf))
  const gap = 0.6 * em
  const widest = Math.max(
    ...split.flat().map((runs) => runs.reduce((sum, run) => sum + run.places.length, 0)),
  )
  const gaps = Math.max(...split.flat().map((runs) => runs.length - 1))
  const pitch = (width - left - right - gaps * gap) / widest
  const wanted = (height / lines.length - apart) / 2 - strip
  const rowHeight = Math.max(em, Math.min(wanted, 1.6 * Math.max(pitch, 3 * em)))
  const space = pitch > 12 ? 3 : 1

  const layout: Layout = { boxes: [], rows: [], sections: [], lines: [], height: 0 }
  const block = 2 * (strip + rowHeight) + apart
  split.forEach((pair, at) => {
    const top = at * block
    layout.lines.push({ y: top + strip, height: block - strip - apart })
    pair.forEach((runs, row) => {
      const y = top + strip + row * (strip + rowHeight)
      const places: number[] = []
      let x = left
      for (const run of row === 0 ? runs : [...runs].reverse()) {
        layout.sections.push({ id: run.section, x, y })
        for (const place of row === 0 ? run.places : [...run.places].reverse()) {
          layout.boxes[place] = { x, y, width: pitch - space, height: rowHeight }
          places.push(place)
          x += pitch
        }
        x += gap
      }
      if (places.length > 0) layout.rows.push(places)
    })
  })
  layout.height = lines.length * block
  return layout
}

/** The cell at or nearest to a point, if the point is in or close to a row. */
export function cellAt({ boxes, rows }: Layout, x: number, y: number, reach: number): number | null {
  for (const places of rows) {
    const first = boxes[places[0]!]!
    if (y < first.y - reach || y > first.y + first.height + reach) continue
    const distance = (place: number) => {
      const box = boxes[place]!
      return Math.max(box.x - x, x - box.x - box.width, 0)
    }
    const nearest = places.reduce((a, b) => (distance(b) < distance(a) ? b : a))
    if (distance(nearest) <= reach) return nearest
  }
  return null
}

/** The neighbour of a cell in the direction of a key; the cell itself at an edge. */
export function neighbour({ boxes, rows }: Layout, from: number, key: string): number {
  const at = rows.findIndex((places) => places.includes(from))
  const row = rows[at]!
  const k = row.indexOf(from)
  if (key === 'ArrowLeft') return row[Math.max(0, k - 1)]!
  if (key === 'ArrowRight') return row[Math.min(row.length - 1, k + 1)]!
  if (key === 'Home') return row[0]!
  if (key === 'End') return row.at(-1)!
  const next = rows[at + (key === 'ArrowUp' ? -1 : 1)]
  if (!next) return from
  const middle = boxes[from]!.x + boxes[from]!.width / 2
  const off = (place: number) => Math.abs(boxes[place]!.x + boxes[place]!.width / 2 - middle)
  return next.reduce((a, b) => (off(b) < off(a) ? b : a))
}
