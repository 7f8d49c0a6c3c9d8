// Package plugin has capabilities that come and go while a server runs: tools,
// resources and prompts, packaged with their own life.
package plugin
