// Outlines of the marks in a square from -10 to 10; for SVG, and for the map by Path2D.

export const boltPath = 'M2-10-7 2h5l-3 8L7-3H1l4-7z'

/** 1: a diamond, 2: a triangle, from 3 on: a disc. */
export function priorityPath(priority: number): string {
  if (priority <= 1) return 'M0-10 10 0 0 10-10 0z'
  if (priority === 2) return 'M0-9 10 9H-10z'
  return 'M-8.5 0a8.5 8.5 0 1 0 17 0a8.5 8.5 0 1 0-17 0z'
}
