// Registration of the service worker, and what the page says when the worker
// tells that a part of its version is gone. Pages opened as files, and browsers
// without service workers, simply have no offline copy.
if ('serviceWorker' in navigator) {
  const mine = /\/?([^/]*)\/?$/.exec(document.querySelector('meta[name="weft-parts"]')?.content ?? '')?.[1];
  const start = () => navigator.serviceWorker.register(new URL('./sw.js', import.meta.url)).catch(() => undefined);
  // Not before the page is there: the offline copy is for the next visit.
  if (document.readyState === 'complete') start();
  else addEventListener('load', start, { once: true });

  navigator.serviceWorker.addEventListener('message', ({ data }) => {
    if (data?.weft !== 'another version' || data.version === mine || document.getElementById('another-version')) return;
    const note = document.createElement('div');
    note.id = 'another-version';
    note.setAttribute('role', 'alert');
    // No class: the style sheet of the page may be of any version.
    Object.assign(note.style, {
      position: 'fixed', inset: 'auto 1rem 1rem', zIndex: 1000, margin: '0 auto', maxWidth: '34rem', padding: '1rem',
      display: 'grid', gap: '0.75rem', borderRadius: '0.5rem', background: '#14161a', color: '#f6f5f1', font: '16px/1.4 system-ui, sans-serif',
      boxShadow: '0 4px 24px rgb(0 0 0 / 0.4)',
    });
    const text = document.createElement('p');
    text.style.margin = '0';
    text.textContent = 'This tab shows an older version of the lab, and a part of it is no longer on the site. Download your network if you want to keep it, then reload.';
    const reload = document.createElement('button');
    reload.type = 'button';
    reload.textContent = 'Reload';
    Object.assign(reload.style, { justifySelf: 'start', minHeight: '44px', padding: '0 1.25rem', border: '0', borderRadius: '0.375rem', background: '#f6f5f1', color: '#14161a', font: 'inherit', cursor: 'pointer' });
    reload.addEventListener('click', () => location.reload());
    note.append(text, reload);
    document.body.append(note);
  });
}
