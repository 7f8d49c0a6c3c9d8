package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

func TestStdio_BadLinesAreAnsweredAndTheNextIsServed(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name, line string
		code       int64
		id         string
	}{
		{"Threat01 braces", `{{{`, -32700, "null"},
		{"Threat01 text", `hello`, -32700, "null"},
		{"Threat01 cut", sound[:20], -32700, "null"},
		{"Threat02 version", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, -32600, "1"},
		{"Threat03 id null", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, -32600, "null"},
		{"Threat03 id 1.5", `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, -32600, "null"},
		{"Threat03 id 1e400", `{"jsonrpc":"2.0","id":1e400,"method":"ping"}`, -32600, "null"},
		{"Threat03 id 2^53", `{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}`, -32600, "null"},
		{"Threat04 deep", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), -32700, "null"},
		{"Threat04 very deep", strings.Repeat("[", 4000), -32700, "null"},
		{"Threat05 long", `{"jsonrpc":"2.0","id":1,"method":"` + long + `"}`, -32700, "null"},
		{"Threat08 duplicate", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}`, -32600, "1"},
		{"Threat08 variant", `{"jsonrpc":"2.0","id":1,"Method":"ping"}`, -32600, "null"},
		{"Threat09 UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", -32700, "null"},
		{"Threat09 byte order mark", "\xef\xbb\xbf" + sound, -32700, "null"},
		{"Threat09 NUL", "\x00", -32700, "null"},
		{"Threat09 NUL in a string", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\x00\"}", -32700, "null"},
		{"Threat12 two messages", sound + sound, -32700, "null"},
		{"Threat14 batch", "[" + sound + "]", -32600, "null"},
		{"Threat14 empty batch", "[]", -32600, "null"},
		{"Threat35 control character", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"test:\u0001"}}`, -32602, "7"},
		{"method of 1000 letters", `{"jsonrpc":"2.0","id":1,"method":"` + long[:1000] + `"}`, -32600, "1"},
		{"response without id", `{"jsonrpc":"2.0","result":{}}` + "\n{", -32700, "null"},
		{"error for nobody", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x"}}` + "\n{", -32700, "null"},
		{"bad notification", `{"jsonrpc":"2.0","method":"notifications/x","params":{"uri":"\n"}}` + "\n{", -32700, "null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := stdio(t, newServer(newGate()), &transport.Stdio{MaxLineBytes: 4500})
			w.hello(t)
			go func() {
				_, _ = io.WriteString(w, c.line+"\n\n \t\n\r\n"+`{"jsonrpc":"2.0","id":"next","method":"ping"}`+"\r\n")
			}()
			line := w.line(t)
			wantError(t, []byte(line), c.code, c.id)
			if got := w.line(t); got != `{"jsonrpc":"2.0","id":"next","result":{}}` {
				t.Errorf("the next line got %s", got)
			}
		})
	}
}

func TestStdio_ADuplicateIDInFlightHarmsNobody(t *testing.T) {
	g := newGate()
	w, _ := stdio(t, newServer(g), &transport.Stdio{})
	w.hello(t)
	w.send(t, call(`"\u0061"`, "wait"))
	<-g.entered
	w.send(t, call(`"a"`, "echo"))
	e := wantError(t, []byte(w.line(t)), -32600, `"a"`)
	if !strings.Contains(e.Error.Message, "in flight") {
		t.Errorf("message %q", e.Error.Message)
	}
	close(g.leave)
	if got := w.line(t); !strings.Contains(got, `"done"`) {
		t.Errorf("the first call got %s", got)
	}
	w.send(t, call(`"a"`, "echo"))
	if got := w.line(t); !strings.Contains(got, `"result"`) {
		t.Errorf("the id cannot be used again: %s", got)
	}
}

func TestStdio_EndOfInputWaitsForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		w, ss := stdio(t, newServer(g), &transport.Stdio{})
		w.hello(t)
		w.send(t, call("1", "wait"), call("2", "wait"))
		<-g.entered
		<-g.entered
		_ = w.Close()
		synctest.Wait()
		close(g.leave)
		for range 2 {
			if got := w.line(t); !strings.Contains(got, `"done"`) {
				t.Errorf("got %s", got)
			}
		}
		if err := ss.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestStdio_EndOfInputWaitsNoLongerThanItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		w, ss := stdio(t, newServer(g), &transport.Stdio{})
		w.hello(t)
		w.send(t, call("1", "wait"))
		<-g.entered
		start := time.Now()
		_ = w.Close()
		if err := <-g.cut; err == nil {
			t.Error("not canceled")
		}
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("cut after %v", got)
		}
		if err := ss.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestStdio_EndOfInputFailsQuestionsToTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		w, ss := stdio(t, newServer(g), &transport.Stdio{})
		w.hello(t)
		w.send(t, call("1", "ask"))
		if got := w.line(t); !strings.Contains(got, "elicitation/create") {
			t.Fatal(got)
		}
		start := time.Now()
		_ = w.Close()
		if got := w.line(t); !strings.Contains(got, `"failed"`) {
			t.Errorf("got %s", got)
		}
		if err := ss.Wait(); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestStdio_Threat22_CallsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		w, _ := stdio(t, newServer(g), &transport.Stdio{MaxInFlight: 2})
		w.hello(t)
		w.send(t, call("1", "wait"), call("2", "wait"), call("3", "wait"))
		e := wantError(t, []byte(w.line(t)), 503, "3")
		if e.Error.Data["type"] != "exhausted" || e.Error.Data["retryAfterMs"] == nil {
			t.Errorf("data %v", e.Error.Data)
		}
		close(g.leave)
		w.line(t)
		w.line(t)
		w.send(t, call("3", "echo"))
		if got := w.line(t); !strings.Contains(got, `"result"`) {
			t.Errorf("after room was made: %s", got)
		}
	})
}

func TestStdio_Threat22_NotificationsWaitForTheirHandlerUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		handled := 0
		s := mcp.NewServer(&mcp.Implementation{Name: "slow", Version: "1"}, &mcp.ServerOptions{
			RootsListChangedHandler: func(context.Context, *mcp.RootsListChangedRequest) { <-leave; handled++ },
		})
		w, _ := stdio(t, s, &transport.Stdio{MaxInFlight: 8})
		w.hello(t)
		sent := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 1000 {
				if _, err := io.WriteString(w, `{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`+"\n"); err != nil {
					return
				}
				sent++
			}
		}()
		synctest.Wait()
		// A line may be on its way into the reader and one before it.
		if sent > 10 {
			t.Errorf("%d notifications were read, none handled", sent)
		}
		close(leave)
		<-done
		w.send(t, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		if got := w.line(t); got != `{"jsonrpc":"2.0","id":1,"result":{}}` {
			t.Errorf("got %s", got)
		}
		if handled != 1000 {
			t.Errorf("%d of 1000 handled", handled)
		}
	})
}

func TestStdio_CancelledCallsAreCanceled(t *testing.T) {
	g := newGate()
	w, _ := stdio(t, newServer(g), &transport.Stdio{})
	w.hello(t)
	w.send(t, call("1", "wait"))
	<-g.entered
	w.send(t, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	if err := <-g.cut; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.line(t)
}

func TestStdio_EachAnswerIsOneLine(t *testing.T) {
	w, _ := stdio(t, newServer(newGate()), &transport.Stdio{})
	w.hello(t)
	const calls = 200
	go func() {
		for i := range calls {
			_, _ = fmt.Fprintf(w, "%s\n", fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"a":"x\ny\r\u2028"}}}`, i))
		}
	}()
	seen := map[string]bool{}
	for range calls {
		line := w.line(t)
		var m struct{ ID json.RawMessage }
		if err := json.Unmarshal([]byte(line), &m); err != nil || !strings.Contains(line, `"result"`) {
			t.Fatalf("line %q: %v", line, err)
		}
		seen[string(m.ID)] = true
	}
	if len(seen) != calls {
		t.Errorf("%d answers for %d calls", len(seen), calls)
	}
}

func TestStdio_AnAnswerThatDoesNotEncodeIsAnError(t *testing.T) {
	s := newServer(newGate())
	s.AddResource(&mcp.Resource{Name: "bad", URI: "test:bad"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return nil, mcp.ResourceNotFoundError("test:\x00") // not JSON in go-sdk v1.8.0
	})
	w, _ := stdio(t, s, &transport.Stdio{})
	w.hello(t)
	w.send(t, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"test:bad"}}`)
	wantError(t, []byte(w.line(t)), -32603, "1")
	w.send(t, `{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	w.line(t)
}

// A brokenPipe fails every write.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStdio_ABrokenOutputEndsTheSessionCleanly(t *testing.T) {
	in, client := io.Pipe()
	s := newServer(newGate())
	ss, err := s.Connect(t.Context(), &transport.Stdio{In: in, Out: brokenPipe{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(client, initialize()+"\n")
	if err := ss.Wait(); err != nil {
		t.Error(err)
	}
}

func TestStdio_Threat47_PrintedTextDoesNotReachTheStream(t *testing.T) {
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout, os.Stderr = outW, errW
	s := mcp.NewServer(&mcp.Implementation{Name: "chatty", Version: "1"}, nil)
	s.AddTool(&mcp.Tool{Name: "print", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			fmt.Println("debug") //nolint:forbidigo // what the test is about
			return textResult("ok"), nil
		})
	in := strings.Join([]string{initialize(), `{"jsonrpc":"2.0","method":"notifications/initialized"}`, call("1", "print")}, "\n")
	ss, err := s.Connect(t.Context(), &transport.Stdio{In: strings.NewReader(in)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ss.Wait(); err != nil {
		t.Error(err)
	}
	if os.Stdout != outW {
		t.Error("os.Stdout was not restored")
	}
	_ = outW.Close()
	_ = errW.Close()
	for line := range strings.Lines(readAll(t, outR)) {
		if !json.Valid([]byte(line)) {
			t.Errorf("on the stream: %q", line)
		}
	}
	if got := readAll(t, errR); got != "debug\n" {
		t.Errorf("on stderr: %q", got)
	}
}

func TestGuardStdout_NestedGuardsEndWithTheLast(t *testing.T) {
	before := os.Stdout
	out, first := transport.GuardStdout()
	same, second := transport.GuardStdout()
	if out != before || same != before || os.Stdout != os.Stderr {
		t.Error("not guarded")
	}
	first()
	first()
	if os.Stdout != os.Stderr {
		t.Error("the second guard ended with the first")
	}
	second()
	if os.Stdout != before {
		t.Error("not restored")
	}
}

func TestStdio_ServesASDKClientOfEitherEra(t *testing.T) {
	for _, version := range []string{legacy, modern} {
		t.Run(version, func(t *testing.T) {
			s := newServer(newGate())
			inR, inW := io.Pipe()
			outR, outW := io.Pipe()
			ss, err := s.Connect(t.Context(), &transport.Stdio{In: inR, Out: outW}, nil)
			if err != nil {
				t.Fatal(err)
			}
			changed := make(chan struct{}, 8)
			cs := connect(t, &mcp.IOTransport{Reader: outR, Writer: inW}, version, &mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "decline"}, nil
				},
				ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
			})
			exercise(t, cs, version)
			s.RemoveTools("late")
			<-changed
			if err := cs.Close(); err != nil {
				t.Error(err)
			}
			if err := ss.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// exercise makes calls that every session must bear.
func exercise(t *testing.T, cs *mcp.ClientSession, version string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"i": i}})
			if err != nil {
				t.Error(err)
				return
			}
			if got := res.Content[0].(*mcp.TextContent).Text; got != fmt.Sprintf(`{"i":%d}`, i) {
				t.Errorf("call %d got %s", i, got)
			}
		})
	}
	all.Wait()
	if version != legacy {
		return
	}
	res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "ask"})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Content[0].(*mcp.TextContent).Text; got != "decline" {
		t.Errorf("the elicitation got %s", got)
	}
}

func TestStdio_MalformedFieldsNeverReachTheLog(t *testing.T) {
	var log bytes.Buffer
	in := strings.NewReader(`{"jsonrpc":"2.0","id":"CANARY","Method":"CANARY"}` + "\n{CANARY\n")
	ss, err := newServer(newGate()).Connect(t.Context(), &transport.Stdio{In: in, Out: io.Discard, Logger: debugLogger(&log)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ss.Wait(); err != nil {
		t.Error(err)
	}
	if got := log.String(); strings.Contains(got, "CANARY") || strings.Count(got, "line refused") != 2 {
		t.Errorf("log:\n%s", got)
	}
}
