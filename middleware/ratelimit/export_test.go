package ratelimit

// Base is what times are measured from.
var Base = base
