package errors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

const (
	legacy = "2025-11-25"
	modern = "2026-07-28"
)

// The table of the package comment, written down a second time on purpose.
var mapping = map[mcperrors.Code]struct {
	rpc            int64
	legacy, modern int
	toolResult     bool
}{
	mcperrors.Validation:      {-32602, 200, 400, true},
	mcperrors.Unauthenticated: {401, 401, 401, false},
	mcperrors.Authorization:   {403, 403, 403, false},
	mcperrors.NotFound:        {-32602, 200, 400, false},
	mcperrors.Conflict:        {409, 200, 200, true},
	mcperrors.RateLimited:     {429, 429, 429, false},
	mcperrors.Timeout:         {504, 200, 200, true},
	mcperrors.Unavailable:     {503, 503, 503, false},
	mcperrors.Exhausted:       {503, 503, 503, false},
	mcperrors.Canceled:        {499, 499, 499, false},
	mcperrors.Internal:        {-32603, 200, 200, false},
}

func TestCodes_MapToTheWireByTheTable(t *testing.T) {
	if got := len(mcperrors.Codes()); got != len(mapping) {
		t.Fatalf("%d codes, the table has %d", got, len(mapping))
	}
	for _, code := range mcperrors.Codes() {
		want, ok := mapping[code]
		if !ok {
			t.Errorf("%s is not in the table", code)
			continue
		}
		for version, status := range map[string]int{legacy: want.legacy, modern: want.modern} {
			if got := code.JSONRPC("tools/call", version); got != want.rpc {
				t.Errorf("%s at %s: JSON-RPC code %d, want %d", code, version, got, want.rpc)
			}
			if got := code.HTTPStatus(version); got != status {
				t.Errorf("%s at %s: HTTP status %d, want %d", code, version, got, status)
			}
		}
		if got := code.IsToolResult(); got != want.toolResult {
			t.Errorf("%s: tool result %t, want %t", code, got, want.toolResult)
		}
	}
}

func TestCodes_OfOurOwnLieOutsideTheReservedRange(t *testing.T) {
	standard := map[int64]bool{jsonrpc.CodeInvalidParams: true, jsonrpc.CodeInternalError: true}
	for _, code := range mcperrors.Codes() {
		rpc := code.JSONRPC("tools/call", modern)
		if reserved := rpc >= -32768 && rpc <= -32000; reserved && !standard[rpc] {
			t.Errorf("%s: %d is reserved", code, rpc)
		}
	}
}

func TestNotFound_OfAResourceHasItsOldCodeInLegacy(t *testing.T) {
	for version, want := range map[string]int64{legacy: -32002, modern: -32602, "": -32002} {
		if got := mcperrors.NotFound.JSONRPC("resources/read", version); got != want {
			t.Errorf("at %q: %d, want %d", version, got, want)
		}
	}
}

func TestCode_UnknownCountsAsInternal(t *testing.T) {
	e := mcperrors.Errorf("made_up", "the secret text")
	wire := e.Wire("tools/call", modern)
	if wire.Code != jsonrpc.CodeInternalError || strings.Contains(wire.Message, "secret") {
		t.Errorf("got %d %q", wire.Code, wire.Message)
	}
	if mcperrors.Code("made_up").HTTPStatus(modern) != http.StatusOK {
		t.Error("an unknown code has not the status of internal")
	}
}

func TestWire_HoldsThePublicPartsAndNotTheCause(t *testing.T) {
	e := &mcperrors.Error{
		Code: mcperrors.Unavailable, Message: "busy, retry shortly", Cause: errors.New("redis 10.0.0.1 canary"),
		Details: map[string]any{"queue": 3.0}, RetryAfter: 1500*time.Millisecond + 1, RequestID: "r-1",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
	}
	wire := e.Wire("tools/call", modern)
	var got map[string]any
	if err := json.Unmarshal(wire.Data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "unavailable", "details": map[string]any{"queue": 3.0}, "retryAfterMs": 1501.0,
		"requestId": "r-1", "timestamp": "2026-01-02T02:04:05Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if wire.Code != 503 || wire.Message != "busy, retry shortly" {
		t.Errorf("got %d %q", wire.Code, wire.Message)
	}
	if all := wire.Message + string(wire.Data) + e.Error(); strings.Contains(all, "canary") {
		t.Errorf("the cause leaked: %s", all)
	}
}

func TestWire_InternalSaysNothingOfItsMessageAndDetails(t *testing.T) {
	e := &mcperrors.Error{Code: mcperrors.Internal, Message: "canary", Details: map[string]any{"dsn": "canary", "uri": "canary"}}
	if wire := e.Wire("tools/call", modern); strings.Contains(wire.Message+string(wire.Data), "canary") {
		t.Errorf("leaked: %q %s", wire.Message, wire.Data)
	}
}

func TestWire_PutsTheURIWhereTheProtocolHasIt(t *testing.T) {
	e := mcperrors.Errorf(mcperrors.NotFound, "resource not found")
	e.Details = map[string]any{"uri": "x://\x01\"\n"}
	var data struct {
		URI string `json:"uri"`
	}
	if err := json.Unmarshal(e.Wire("resources/read", modern).Data, &data); err != nil || data.URI != "x://\x01\"\n" {
		t.Errorf("uri %q, %v", data.URI, err)
	}
}

func TestWire_LeavesOutDetailsThatDoNotEncode(t *testing.T) {
	e := mcperrors.Errorf(mcperrors.Conflict, "taken")
	e.Details = map[string]any{"f": func() {}}
	if got := string(e.Wire("tools/call", modern).Data); got != `{"type":"conflict"}` {
		t.Errorf("got %s", got)
	}
}

func TestText_IsBoundedAndValid(t *testing.T) {
	for _, unit := range []string{"x", "é", "€", "😀", "\xff"} {
		got := mcperrors.Errorf(mcperrors.Validation, "%s", strings.Repeat(unit, 5000)).Text()
		if len(got) > 4<<10 {
			t.Errorf("%q: %d bytes", unit, len(got))
		}
		if unit != "\xff" && !utf8.ValidString(got) {
			t.Errorf("%q: cut inside a character", unit)
		}
	}
}

func TestFrom_KnowsWhereAnErrorComesFrom(t *testing.T) {
	coded := mcperrors.Errorf(mcperrors.NotFound, "no such note")
	tests := []struct {
		name string
		err  error
		code mcperrors.Code
		text string
	}{
		{"nil", nil, "", ""},
		{"coded", coded, mcperrors.NotFound, "no such note"},
		{"wrapped", fmt.Errorf("reading: %w", coded), mcperrors.NotFound, "no such note"},
		{"plain", errors.New("canary"), mcperrors.Internal, "internal error"},
		{"deadline", fmt.Errorf("db: %w", context.DeadlineExceeded), mcperrors.Timeout, "timed out"},
		{"canceled", context.Canceled, mcperrors.Canceled, "canceled"},
		{"own wire", coded.Wire("tools/call", modern), mcperrors.NotFound, "no such note"},
		{"foreign wire", &jsonrpc.Error{Code: -32601, Message: "no method"}, mcperrors.NotFound, "no method"},
		{"foreign wire, our number", &jsonrpc.Error{Code: 429, Message: "slow down"}, mcperrors.RateLimited, "slow down"},
		{"foreign wire, unknown", &jsonrpc.Error{Code: -1, Message: "canary"}, mcperrors.Internal, "internal error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mcperrors.CodeOf(tt.err); got != tt.code {
				t.Errorf("code %q, want %q", got, tt.code)
			}
			e := mcperrors.From(tt.err)
			if e == nil {
				if tt.err != nil {
					t.Fatal("no error")
				}
				return
			}
			if e.Text() != tt.text {
				t.Errorf("text %q, want %q", e.Text(), tt.text)
			}
			if !errors.Is(e, tt.err) {
				t.Error("the chain to the original error is lost")
			}
		})
	}
}

func TestFrom_NilPointerIsNoError(t *testing.T) {
	var e *mcperrors.Error
	if mcperrors.From(e) != nil || mcperrors.CodeOf(e) != "" {
		t.Error("a nil *Error became an error")
	}
}

func TestFrom_DoesNotChangeASharedError(t *testing.T) {
	shared := mcperrors.Errorf(mcperrors.Conflict, "taken")
	_ = mcperrors.From(fmt.Errorf("one: %w", shared))
	if shared.Cause != nil {
		t.Error("the shared error was changed")
	}
}

func TestWire_RoundTrips(t *testing.T) {
	for _, code := range mcperrors.Codes() {
		e := &mcperrors.Error{
			Code: code, Message: "text", RetryAfter: time.Second, RequestID: "id",
			Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Details: map[string]any{"k": "v"},
		}
		got := mcperrors.From(e.Wire("tools/call", modern))
		if got.Code != code || got.RetryAfter != e.RetryAfter || got.RequestID != "id" || !got.Time.Equal(e.Time) {
			t.Errorf("%s: got %+v", code, *got)
		}
		if code != mcperrors.Internal && (got.Text() != "text" || got.Details["k"] != "v") {
			t.Errorf("%s: got %q %v", code, got.Text(), got.Details)
		}
	}
}

func TestScopes_AreToldWhereTheyHelpAndSurviveTheWire(t *testing.T) {
	for _, code := range mcperrors.Codes() {
		e := &mcperrors.Error{Code: code, Scopes: []string{"b", "not one", "a", "x\"", "\r\n"}}
		want := []string{"b", "a"}
		if code != mcperrors.Authorization && code != mcperrors.Unauthenticated {
			want = nil
		}
		got := mcperrors.From(fmt.Errorf("on its way: %w", e.Wire("tools/call", modern)))
		if !slices.Equal(got.Scopes, want) {
			t.Errorf("%s: got %q, want %q", code, got.Scopes, want)
		}
		if len(e.Scopes) != 5 {
			t.Fatal("a shared error was changed")
		}
	}
}

func TestError_OnABareServerKeepsItsNumber(t *testing.T) {
	var wire *jsonrpc.Error
	if err := error(mcperrors.Errorf(mcperrors.RateLimited, "slow down")); !errors.As(err, &wire) || wire.Code != 429 {
		t.Errorf("got %v", wire)
	}
}

func ExampleWrap() {
	cause := errors.New("dial 10.0.0.7:6379: connection refused")
	err := mcperrors.Wrap(mcperrors.Unavailable, "busy, retry shortly", cause)

	fmt.Println(err)                                       // what may be shown
	fmt.Println(errors.Unwrap(err))                        // what the log gets
	fmt.Println(err.Wire("tools/call", "2026-07-28").Code) // what is sent
	// Output:
	// unavailable: busy, retry shortly
	// dial 10.0.0.7:6379: connection refused
	// 503
}
