package workload_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/bench/internal/contender/floor"
	"github.com/trestle-mcp/trestle/bench/internal/load"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// bodies returns the right answers to the first two calls of a script.
func bodies(t *testing.T, k workload.Kind, e workload.Era) (first, second string) {
	t.Helper()
	ts := httptest.NewServer(floor.New(k.Tools()))
	defer ts.Close()
	addr := ts.Listener.Addr().String()
	conn, err := load.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	script := workload.NewCalls(k, e, addr, "")
	next := func() string {
		res, err := conn.Do(script.Next())
		if err != nil {
			t.Fatal(err)
		}
		return string(res.Body)
	}
	return next(), next()
}

func ok(body string) *load.Response { return &load.Response{Status: 200, Body: []byte(body)} }

func TestCalls_TakeOnlyTheRightAnswer(t *testing.T) {
	for _, c := range []struct {
		kind     workload.Kind
		era      workload.Era
		old, new string // what is wrong
	}{
		{workload.Add, workload.Legacy, `"id":100000001`, `"id":100000000`},
		{workload.Add, workload.Legacy, `"sum":100000002`, `"sum":100000001`},
		{workload.Add, workload.Legacy, `"sum":100000002`, `"sum":1000000020`},
		{workload.Add, workload.Modern, `\"sum\":100000002`, `\"sum\":7`},
		{workload.Echo, workload.Modern, `100000001 The`, `100000000 The`},
		{workload.Echo, workload.Legacy, `Voilà`, `Voila`},
		{workload.List, workload.Legacy, `records_199`, `records_198`},
		{workload.List, workload.Modern, `newest first`, `newest`},
	} {
		t.Run(fmt.Sprintf("%v %v %s", c.era, c.kind, c.new), func(t *testing.T) {
			first, second := bodies(t, c.kind, c.era)
			script := workload.NewCalls(c.kind, c.era, "127.0.0.1:1", "")
			script.Next()
			if err := script.Check(ok(first)); err != nil {
				t.Fatal(err)
			}
			script.Next()
			if err := script.Check(ok(second)); err != nil {
				t.Fatal(err)
			}
			bad := strings.Replace(second, c.old, c.new, 1)
			if bad == second {
				t.Fatalf("nothing to replace in %.300s", second)
			}
			if err := script.Check(ok(bad)); err == nil {
				t.Error("accepted")
			}
			if err := script.Check(&load.Response{Status: 500, Body: []byte(second)}); err == nil {
				t.Error("accepted with status 500")
			}
		})
	}
}

func TestCalls_LookAtTheFirstAnswerInEveryRespect(t *testing.T) {
	for _, c := range []struct {
		kind     workload.Kind
		era      workload.Era
		old, new string
	}{
		{workload.Add, workload.Legacy, `"jsonrpc":"2.0"`, `"jsonrpc":"1.0"`},
		{workload.Add, workload.Legacy, `"content":[`, `"content":[{"type":"text","text":"more"},`},
		{workload.Add, workload.Legacy, `"content":`, `"isError":true,"content":`},
		{workload.Add, workload.Legacy, `"structuredContent"`, `"other"`},
		{workload.Add, workload.Modern, `"resultType":"complete"`, `"resultType":"input_required"`},
		{workload.Echo, workload.Legacy, `"type":"text"`, `"type":"image"`},
		{workload.List, workload.Legacy, `"archived":`, `"limit":`},
		{workload.List, workload.Legacy, `records_007`, `records_008`},
		{workload.List, workload.Modern, `{"type":"object"`, `{"type":"array"`},
	} {
		t.Run(fmt.Sprintf("%v %v %s", c.era, c.kind, c.new), func(t *testing.T) {
			first, _ := bodies(t, c.kind, c.era)
			script := workload.NewCalls(c.kind, c.era, "127.0.0.1:1", "")
			script.Next()
			bad := strings.Replace(first, c.old, c.new, 1)
			if bad == first {
				t.Fatalf("nothing to replace in %.300s", first)
			}
			if err := script.Check(ok(bad)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestCalls_HaveNewIDsAndArgumentsInRequestsOfOneLength(t *testing.T) {
	script := workload.NewCalls(workload.Add, workload.Modern, "127.0.0.1:1", "")
	first := bytes.Clone(script.Next())
	second := script.Next()
	if len(first) != len(second) {
		t.Errorf("%d bytes, then %d", len(first), len(second))
	}
	for _, want := range []string{`"id":100000001,`, `"a":100000001,`} {
		if !bytes.Contains(second, []byte(want)) {
			t.Errorf("no %s in %s", want, second)
		}
	}
}

func TestCalls_ReadTheAnswerOutOfAnEventStream(t *testing.T) {
	first, _ := bodies(t, workload.Add, workload.Legacy)
	script := workload.NewCalls(workload.Add, workload.Legacy, "127.0.0.1:1", "")
	script.Next()
	res := ok("id: 1_0\ndata: \n\nevent: message\nid: 1_1\ndata: " + first + "\n\n")
	res.Stream = true
	if err := script.Check(res); err != nil {
		t.Error(err)
	}
}
