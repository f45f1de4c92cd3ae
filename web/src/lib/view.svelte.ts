// Which view is open: in the address, so that it can be linked to and the browser's back leads back.

export const views = ['map', 'lines', 'meters', 'changes'] as const
export type View = (typeof views)[number]

const named = () => views.find((view) => `#${view}` === location.hash) ?? 'map'

class Shown {
  view = $state<View>(named())

  constructor() {
    addEventListener('hashchange', () => (this.view = named()))
  }
}

export const shown = new Shown()
