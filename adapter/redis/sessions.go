package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/transport"
)

// SessionOptions configure [NewSessionStore]. Nil means the defaults.
type SessionOptions struct {
	// Prefix begins all keys: 1 to 64 characters of A–Z a–z 0–9 . _ -. No two
	// servers may have the same. Empty means "trestle".
	Prefix string
}

// A SessionStore is a [transport.SessionStore]: each method is one command,
// repeated while the connection is lost and there is time. It has nothing to
// close; the client stays the caller's. Guard Redis as you guard the server: who
// can write there can open sessions.
type SessionStore struct {
	client rueidis.Client
	prefix string
}

// NewSessionStore returns a store over client, or all mistakes in opts. It does
// not ask Redis for anything.
func NewSessionStore(client rueidis.Client, opts *SessionOptions) (*SessionStore, error) {
	if opts == nil {
		opts = &SessionOptions{}
	}
	prefix := cmp.Or(opts.Prefix, defaultPrefix)
	if err := usable(client, prefix); err != nil {
		return nil, err
	}
	return &SessionStore{client, prefix + ":session:"}, nil
}

// Create implements [transport.SessionStore].
func (s *SessionStore) Create(ctx context.Context, key string, record []byte, ttl time.Duration) error {
	set := s.client.B().Set().Key(s.prefix + key).Value(string(record))
	if ttl > 0 {
		return s.do(ctx, set.PxMilliseconds(millis(ttl)).Build()).Error()
	}
	return s.do(ctx, set.Build()).Error()
}

// Load implements [transport.SessionStore].
func (s *SessionStore) Load(ctx context.Context, key string, ttl time.Duration) ([]byte, error) {
	get := s.client.B().Getex().Key(s.prefix + key)
	var res rueidis.RedisResult
	if ttl > 0 {
		res = s.do(ctx, get.PxMilliseconds(millis(ttl)).Build())
	} else {
		res = s.do(ctx, get.Persist().Build())
	}
	record, err := res.AsBytes()
	return record, found(err)
}

// Update implements [transport.SessionStore].
func (s *SessionStore) Update(ctx context.Context, key string, record []byte, ttl time.Duration) error {
	set := s.client.B().Set().Key(s.prefix + key).Value(string(record)).Xx()
	if ttl > 0 {
		return found(s.do(ctx, set.PxMilliseconds(millis(ttl)).Build()).Error())
	}
	return found(s.do(ctx, set.Build()).Error())
}

// Delete implements [transport.SessionStore].
func (s *SessionStore) Delete(ctx context.Context, key string) error {
	return s.do(ctx, s.client.B().Del().Key(s.prefix+key).Build()).Error()
}

// do may send a command twice: with each of them that comes to the same. When it
// returns, the client may still have the command, so that has a copy of the record.
func (s *SessionStore) do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	res, err := await(ctx, 0, func() (rueidis.RedisResult, error) {
		return s.client.Do(ctx, cmd.ToRetryable()), nil
	})
	if err != nil {
		return rueidis.NewErrorResult(err)
	}
	return res
}

func found(err error) error {
	if rueidis.IsRedisNil(err) {
		return transport.ErrNoSession
	}
	return err
}

// millis rounds up.
func millis(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// usable returns what is wrong with what all parts of the package need.
func usable(client rueidis.Client, prefix string) error {
	var mistakes []error
	if client == nil {
		mistakes = append(mistakes, errors.New("redis: no client"))
	}
	if !validName(prefix) {
		mistakes = append(mistakes, fmt.Errorf("redis: the prefix %q is not 1 to 64 characters of A-Z a-z 0-9 . _ -", prefix))
	}
	return errors.Join(mistakes...)
}

var _ transport.SessionStore = (*SessionStore)(nil)
