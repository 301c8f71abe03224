// Package browser runs a page in a real browser without a window, to see an
// exported model do what its users will see. It drives Chromium, Chrome or Edge
// through the DevTools protocol.
//
// The browser gets a profile of its own, which is deleted, and may talk to
// nobody but the server that this package starts on the loopback address. What
// the page does beyond that, or complains about, is part of the result.
package browser
