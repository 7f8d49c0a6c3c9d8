// Package redis keeps in Redis what the replicas of a server share.
package redis
