// What this viewer chose; kept by the browser. ?lang=zh in the address wins over what was kept.

export type Language = 'en' | 'zh'
export type Theme = 'dark' | 'light'

function kept(key: string): string | null {
  try {
    return localStorage.getItem(`potline.${key}`)
  } catch {
    return null // a browser that keeps nothing: the choice lasts as long as the page
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(`potline.${key}`, value)
  } catch {
    return
  }
}

function firstLanguage(): Language {
  const wish = new URLSearchParams(location.search).get('lang') ?? kept('lang') ?? navigator.language
  return wish.startsWith('zh') ? 'zh' : 'en'
}

class Settings {
  language = $state<Language>(firstLanguage())
  theme = $state<Theme>(kept('theme') === 'light' ? 'light' : 'dark')
  quantity = $state(kept('quantity') ?? 'voltage')
  who = $state(kept('who') ?? '')

  /** Bring the choices to the document and keep them. To be called in an effect. */
  apply(): void {
    document.documentElement.lang = this.language === 'zh' ? 'zh-Hans' : 'en'
    document.documentElement.dataset.theme = this.theme
    keep('lang', this.language)
    keep('theme', this.theme)
    keep('quantity', this.quantity)
    keep('who', this.who)
  }
}

export const settings = new Settings()
