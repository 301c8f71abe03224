// Runs before the first paint, so that a chosen theme never flashes the other
// one. It is a file of its own because inline scripts are not allowed here.
try {
  var theme = localStorage.getItem('weft-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is off: the system's theme it is.
}
