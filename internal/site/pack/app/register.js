// Registration of the service worker. Pages opened as files, and browsers
// without service workers, simply have no offline copy.
if ('serviceWorker' in navigator) {
  const start = () => navigator.serviceWorker.register(new URL('./sw.js', import.meta.url)).catch(() => undefined);
  // Not before the page is there: the offline copy is for the next visit.
  if (document.readyState === 'complete') start();
  else addEventListener('load', start, { once: true });
}
