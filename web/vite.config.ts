import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// `npm run dev` shows the page of these sources with the data of a potline that runs already.
const potline = process.env.POTLINE_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  base: './',
  plugins: [svelte()],
  build: {
    outDir: '../api/static',
    emptyOutDir: true,
    assetsInlineLimit: 0, // no data: addresses, so that a strict content security policy holds
  },
  server: { host: '127.0.0.1', proxy: { '/api': potline, '/healthz': potline } },
})
