// Package auth says who is calling.
//
// A [Principal] is in the context of every call that is not anonymous. Over
// HTTP it comes from the bearer token that go-sdk's auth.RequireBearerToken
// verified; over stdio it is [Local], because whoever started the process may
// use it.
package auth
