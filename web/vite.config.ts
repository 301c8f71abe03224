/// <reference types="vitest/config" />
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The site must work from any folder of any host, so every address in it is
// relative. Nothing is inlined as a data: address, because the served
// Content-Security-Policy allows the site's own files only.
export default defineConfig({
  base: './',
  resolve: {
    // With VITE_MOCK the pages talk to a stand-in that needs neither Go nor a GPU.
    alias: { '#connect': fileURLToPath(new URL(process.env.VITE_MOCK ? './src/mock/connect.ts' : './src/lib/connect.ts', import.meta.url)) },
  },
  plugins: [svelte()],
  // What is loaded late, and by few, has a folder of its own: offline copies
  // leave it out (internal/site/pack). The worker that downloads models has a
  // name that the server knows, because its policy is another (internal/site/csp).
  worker: {
    format: 'es',
    rolldownOptions: {
      output: {
        entryFileNames: ({ name }) => (name.includes('onnxruntime') ? 'assets/late/onnxruntime-[hash].js' : name.includes('download') ? 'assets/download-[hash].js' : 'assets/[name]-[hash].js'),
        assetFileNames: ({ names }) => (names.some((n) => n.endsWith('.wasm')) ? 'assets/late/[name]-[hash][extname]' : 'assets/[name]-[hash][extname]'),
      },
    },
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { fs: { allow: ['..'] } },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
