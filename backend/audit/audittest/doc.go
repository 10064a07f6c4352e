// Package audittest holds what every audit.Store promises, as a suite that a
// store passes or fails: Check returns one error for each broken promise, Run
// reports them to a test. Memory is a store that passes it, for tests of
// other packages.
package audittest
