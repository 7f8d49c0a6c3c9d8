package transport

import "slices"

// spareRoom is what a session takes beyond Options.MaxSessionStreams of the
// messages that make room: a call can only be canceled by a notification, one
// that asks the client ends with the answer, and all of them end with DELETE.
const spareRoom = 64

// roomFor is how much a session may be in use to take messages as well.
func (s *settings) roomFor(messages []*message) int {
	if slices.ContainsFunc(messages, (*message).isCall) {
		return s.maxStreams
	}
	return s.maxStreams + spareRoom
}
