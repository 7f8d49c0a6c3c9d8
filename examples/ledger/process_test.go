package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// asLedger makes the test binary the program.
const asLedger = "TRESTLE_LEDGER"

func TestMain(m *testing.M) {
	if os.Getenv(asLedger) != "" {
		main()
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asLedger+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// A process is the program over HTTP.
type process struct {
	client

	cmd  *exec.Cmd
	logs *strings.Builder
	dead func() error // waits for its end
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(t, append([]string{"-addr", "127.0.0.1:0"}, args...)...), logs: new(strings.Builder)}
	p.cmd.Stderr = p.logs
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	p.dead = sync.OnceValue(p.cmd.Wait)
	t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
			p.url = url
			return p
		}
	}
	_ = p.dead()
	t.Fatalf("not ready: %s", p.logs)
	return nil
}

// kill is SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.dead()
}

// stop is what an operator does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	must(t, p.cmd.Process.Signal(os.Interrupt))
	if err := p.dead(); err != nil {
		t.Errorf("stopped: %v\n%s", err, p.logs)
	}
}

var (
	kills = flag.Int("kills", 6, "how often TestLedger_KeepsAllMoneyWhenKilled kills the server")
	seed  = flag.Uint64("seed", 0, "of the random transfers of that test; 0: a new one")
)

// A wish is a request that is repeated until it is answered, or given up.
type wish struct {
	move    transferIn
	done    bool
	givenUp bool // it may have happened
}

func TestLedger_KeepsAllMoneyWhenKilled(t *testing.T) {
	from := cmp.Or(*seed, rand.Uint64())
	t.Logf("-seed %d", from)
	db := filepath.Join(t.TempDir(), "ledger.db")
	checkMoney(t, from, *kills, func() *process { return start(t, "-db", db) })
}

// checkMoney lets concurrent clients move money at random over servers that are
// killed. What was answered is there, all is there once, and the sum is kept.
func checkMoney(t *testing.T, seed uint64, kills int, start func() *process) {
	t.Helper()
	const accounts, clients, each = 5, 6, int64(1000)
	p := start()
	var names []string
	for i := range accounts {
		var out openOut
		must(t, p.call(t.Context(), "open_account", openIn{fmt.Sprint("owner ", i)}, &out))
		must(t, p.call(t.Context(), "deposit", in(out.Account, each, "start "+out.Account), new(receipt)))
		names = append(names, out.Account)
	}
	answered := make([][]wish, clients)
	random := rand.New(rand.NewPCG(seed, 0))
	for kill := range kills + 1 {
		if kill > 0 {
			p = start()
		}
		var wg sync.WaitGroup
		var answers atomic.Int64
		until := 1 + random.Int64N(60)
		for c := range clients {
			local := rand.New(rand.NewPCG(random.Uint64(), uint64(c)))
			wg.Go(func() {
				answered[c] = transfers(t, p, local, names, answered[c], fmt.Sprintf("%d-%d", kill, c), &answers, until)
			})
		}
		if kill < kills {
			eventually(t, "transfers are answered", func() bool { return answers.Load() >= until })
			p.kill()
		}
		wg.Wait()
	}
	var all []wish
	for _, a := range answered {
		all = append(all, a...)
	}
	audit(t, p, names, all, each)
}

// transfers makes requests until the server dies, or there were enough, beginning
// with the one that has no answer. It returns all.
func transfers(t *testing.T, p *process, r *rand.Rand, names []string, all []wish, id string, answers *atomic.Int64, enough int64) []wish {
	t.Helper()
	if n := len(all); n > 0 && !all[n-1].done {
		all[n-1].givenUp = r.IntN(2) == 0
	}
	for i := 0; ; i++ {
		if n := len(all); n == 0 || all[n-1].done || all[n-1].givenUp {
			if answers.Load() >= 2*enough {
				return all
			}
			a, b := r.IntN(len(names)), r.IntN(len(names)-1)
			if b >= a {
				b++
			}
			all = append(all, wish{move: move(names[a], names[b], 1+r.Int64N(700), fmt.Sprintf("%s-%d", id, i))})
		}
		w := &all[len(all)-1]
		var refused refusedError
		switch err := p.call(t.Context(), "transfer", w.move, new(receipt)); {
		case err == nil:
			w.done = true
			answers.Add(1)
		case errors.As(err, &refused) && strings.HasPrefix(err.Error(), "the balance is"):
			all = all[:len(all)-1] // nothing happened
			answers.Add(1)
		case errors.As(err, &refused):
			t.Errorf("%+v: %v", w.move, err)
			return all
		default: // killed
			return all
		}
	}
}

// audit compares the histories with the requests that were answered.
func audit(t *testing.T, p *process, names []string, all []wish, each int64) {
	t.Helper()
	eventually(t, "all is delivered", func() bool { return p.sheet(t).InTransit == 0 })
	type mark struct{ account, typ, id string }
	there := map[mark]int{}
	sum := int64(0)
	for _, name := range names {
		balance := int64(0)
		for from := int64(1); from > 0; {
			var page historyOut
			must(t, p.call(t.Context(), "history", historyIn{name, from}, &page))
			for _, e := range page.Events {
				there[mark{name, e.Type, e.RequestID}]++
				if balance += change(e.Type, e.Amount); balance < 0 {
					t.Errorf("%s is overdrawn at version %d", name, e.Version)
				}
			}
			from = page.Next
		}
		sum += balance
	}
	for _, w := range all {
		paid, got := mark{w.move.From, sent, w.move.RequestID}, mark{w.move.To, received, w.move.RequestID}
		if there[paid] != there[got] || there[paid] > 1 || w.done && there[paid] == 0 || !w.done && !w.givenUp {
			t.Errorf("%+v: paid %d times, received %d times", w, there[paid], there[got])
		}
		delete(there, paid)
		delete(there, got)
	}
	for m := range there {
		if m.typ == sent || m.typ == received {
			t.Errorf("%+v of nobody's request", m)
		}
	}
	if sum != each*int64(len(names)) {
		t.Errorf("%d cents of %d", sum, each*int64(len(names)))
	}
	s := p.sheet(t)
	if s.Balance != sum || s.InTransit != 0 {
		t.Errorf("the sheet says %+v", s.total)
	}
	t.Logf("%d transfers", len(all))
}

// sheet reads the balances with a client of the legacy era.
func (p *process) sheet(t *testing.T) sheet {
	t.Helper()
	return sheetFrom(t, &mcp.StreamableClientTransport{Endpoint: p.url, DisableStandaloneSSE: true})
}

func sheetFrom(t *testing.T, transport mcp.Transport) (s sheet) {
	t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
	must(t, err)
	defer session.Close()
	res, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: balancesURI})
	must(t, err)
	must(t, decode(res.Contents[0].Text, &s))
	return s
}

func TestFlags_DBDefaultsToTheWorkingFolder(t *testing.T) {
	p := start(t)
	must(t, p.call(t.Context(), "open_account", openIn{"Ann"}, new(openOut)))
	p.stop(t)
	if _, err := os.Stat(filepath.Join(p.cmd.Dir, "ledger.db")); err != nil {
		t.Error(err)
	}
}

func TestFlags_StdioServesWhatHTTPWrote(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ledger.db")
	p := start(t, "-db", db)
	var out openOut
	must(t, p.call(t.Context(), "open_account", openIn{"Ann"}, &out))
	must(t, p.call(t.Context(), "deposit", in(out.Account, 42, "d"), new(receipt)))
	p.stop(t)
	s := sheetFrom(t, &mcp.CommandTransport{Command: command(t, "-stdio", "-db", db)})
	if len(s.Page) != 1 || s.Page[0].Account != out.Account || s.Page[0].Owner != "Ann" || s.Page[0].Balance != 42 || s.Page[0].Version != 2 {
		t.Errorf("%+v", s)
	}
}

func TestFlags_DBAndPostgresExcludeEachOther(t *testing.T) {
	cmd := command(t, "-db", "x", "-postgres", "y")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "one of them") {
		t.Errorf("%v: %s", err, out)
	}
}

// postgresDSN returns a database of the test's own.
func postgresDSN(t *testing.T) string {
	t.Helper()
	url := cmp.Or(os.Getenv("TRESTLE_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		if os.Getenv("TRESTLE_CI") != "" {
			t.Fatalf("PostgreSQL is needed: %v", err)
		}
		t.Skipf("PostgreSQL is not here: %v", err)
	}
	name := fmt.Sprintf("trestle_ledger_%x", rand.Uint64())
	_, err = conn.Exec(t.Context(), "create database "+name)
	must(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := conn.Exec(ctx, "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
		_ = conn.Close(ctx)
	})
	c := conn.Config()
	at := net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", c.User, c.Password, at, name)
}

func TestFlags_PostgresKeepsAllMoneyWhenKilled(t *testing.T) {
	dsn := postgresDSN(t)
	checkMoney(t, rand.Uint64(), min(*kills, 2), func() *process { return start(t, "-postgres", dsn) })
}

// Two servers share a database: what one was killed over the other delivers.
func TestFlags_AnotherReplicaDeliversWhatOneWasKilledOver(t *testing.T) {
	dsn := postgresDSN(t)
	other := start(t, "-postgres", dsn)
	checkMoney(t, rand.Uint64(), 1, func() *process { return start(t, "-postgres", dsn) })
	if s := other.sheet(t); s.InTransit != 0 || s.Balance == 0 {
		t.Errorf("%+v", s.total)
	}
}
