// Draws the potroom map. Everything is drawn anew each time: 2016 cells take about a millisecond.

import type { Colours } from './colours'
import type { Box, Layout } from './layout'
import { boltPath, priorityPath } from './marks'
import type { Reading } from './quantities'

export interface Scene {
  layout: Layout
  colours: Colours
  em: number
  font: string
  readings: Reading[]
  numbers: string[] // of the cells
  text: (place: number) => string // the reading as shown in a cell
  names: string[] // of the lines
  anodeEffect: (place: number) => boolean
  priority: (place: number) => number | null // of the cell's highest open alarm
  selected: number | null
  focused: number | null
}

const bolt = new Path2D(boltPath)
const shapes = [1, 2, 3].map((priority) => new Path2D(priorityPath(priority)))

export function paint(ctx: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, em } = scene
  drawLines(ctx, scene)
  const first = layout.boxes[0]
  const roomy = first !== undefined && first.width >= 2.7 * em && first.height >= 2.2 * em
  ctx.textAlign = 'center'
  layout.boxes.forEach((box, place) => drawCell(ctx, scene, box, place, roomy))
  for (const [place, width] of [
    [scene.selected, 3],
    [scene.focused, 2],
  ] as const) {
    const box = place === null ? undefined : layout.boxes[place]
    if (!box) continue
    ctx.strokeStyle = scene.colours.strong
    ctx.lineWidth = width
    ctx.setLineDash(place === scene.focused && place !== scene.selected ? [3, 3] : [])
    ctx.strokeRect(box.x - 1.5, box.y - 1.5, box.width + 3, box.height + 3)
    ctx.setLineDash([])
  }
  layout.boxes.forEach((box, place) => drawMarks(ctx, scene, box, place, roomy))
}

function drawLines(ctx: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, colours, em, font, names } = scene
  ctx.textBaseline = 'alphabetic'
  ctx.textAlign = 'left'
  layout.lines.forEach(({ y, height }, at) => {
    ctx.font = `600 ${1.05 * em}px ${font}`
    ctx.fillStyle = colours.text
    ctx.fillText(names[at]!, 0, y + height / 2 + 0.4 * em, 3.9 * em)
    // the busbar: out along the upper row, back along the lower
    const [out, back] = [layout.rows[2 * at], layout.rows[2 * at + 1]]
    if (!out || !back) return
    const from = layout.boxes[out.at(-1)!]!
    const to = layout.boxes[back.at(-1)!]!
    const right = Math.max(from.x + from.width, to.x + to.width) + 0.8 * em
    ctx.strokeStyle = colours.rule
    ctx.lineWidth = Math.max(2, em / 6)
    ctx.beginPath()
    ctx.moveTo(from.x + from.width + 3, from.y + from.height / 2)
    ctx.lineTo(right, from.y + from.height / 2)
    ctx.lineTo(right, to.y + to.height / 2)
    ctx.lineTo(to.x + to.width + 3, to.y + to.height / 2)
    ctx.stroke()
  })
  ctx.font = `${0.85 * em}px ${font}`
  ctx.fillStyle = colours.dim
  for (const { id, x, y } of layout.sections) ctx.fillText(id, x, y - 0.25 * em)
}

function drawCell(
  ctx: CanvasRenderingContext2D,
  scene: Scene,
  { x, y, width, height }: Box,
  place: number,
  roomy: boolean,
): void {
  const { colours, font } = scene
  const departure = scene.readings[place]?.departure ?? null
  const shade = departure === null ? colours.unknown : colours.shade(departure)
  ctx.fillStyle = shade.fill
  ctx.fillRect(x, y, width, height)
  if (departure === null) {
    ctx.strokeStyle = colours.dim
    ctx.lineWidth = 1
    ctx.beginPath()
    ctx.moveTo(x, y + height)
    ctx.lineTo(x + width, y)
    ctx.stroke()
  }
  if (!roomy) return
  const middle = y + height / 2
  const em = Math.max(scene.em, Math.min(width / 4.5, height / 3.5, 2 * scene.em))
  ctx.fillStyle = shade.text
  ctx.font = `${0.85 * em}px ${font}`
  ctx.fillText(scene.numbers[place]!, x + width / 2, middle - 0.25 * em, width)
  ctx.font = `600 ${em}px ${font}`
  ctx.fillText(scene.text(place), x + width / 2, middle + 0.95 * em, width - 4)
}

function drawMarks(
  ctx: CanvasRenderingContext2D,
  { colours, em, font, anodeEffect, priority }: Scene,
  { x, y, width }: Box,
  place: number,
  roomy: boolean,
): void {
  const highest = priority(place)
  const burning = anodeEffect(place)
  if (highest === null && !burning) return
  const size = em * (roomy ? 0.62 : 0.5) // half of a mark
  const right = roomy ? x + width - size * 0.6 : x + width / 2
  if (highest !== null) {
    const rank = Math.min(3, highest)
    const colour = colours.priority[rank - 1]!
    stamp(ctx, shapes[rank - 1]!, right, y - size * 0.15, size, colour, colours.ground)
    ctx.fillStyle = colours.onPriority
    ctx.font = `700 ${size * 1.25}px ${font}`
    ctx.fillText(`${highest}`, right, y + size * (rank === 2 ? 0.5 : 0.3))
  }
  if (burning) {
    const left = roomy ? x + size * 0.8 : right
    const top = roomy || highest === null ? y : y - size * 1.9
    stamp(ctx, bolt, left, top, size * 1.15, colours.priority[0], colours.ground)
  }
}

function stamp(
  ctx: CanvasRenderingContext2D,
  shape: Path2D,
  x: number,
  y: number,
  size: number,
  fill: string,
  edge: string,
): void {
  ctx.save()
  ctx.translate(x, y)
  ctx.scale(size / 10, size / 10)
  ctx.lineWidth = 4
  ctx.strokeStyle = edge
  ctx.stroke(shape)
  ctx.fillStyle = fill
  ctx.fill(shape)
  ctx.restore()
}
