package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"hash/fnv"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed library.yaml
var libraryDocument []byte

// A service is somebody's HTTP API on this machine: the weather, which anybody
// may ask, and a library with an OpenAPI document, which wants a key.
type service struct {
	url, key string
	server   *http.Server
}

func startService(addr string) (*service, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://" + l.Addr().String(), key: rand.Text()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /weather/cities/{city}/forecast", forecast)
	mux.HandleFunc("POST /weather/cities/{city}/reports", report)
	mux.HandleFunc("GET /library/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(libraryDocument) })
	mux.Handle("GET /library/books", s.keyed(searchBooks))
	mux.Handle("GET /library/books/{id}", s.keyed(getBook))
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(l) }() // until close
	return s, nil
}

func (s *service) close() { _ = s.server.Close() }

// keyed lets through who has the key.
func (s *service) keyed(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Library-Key")), []byte(s.key)) != 1 {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		h(w, r)
	})
}

type day struct {
	Sky     string `json:"sky"`
	Celsius int    `json:"celsius"`
}

var skies = []string{"clear", "cloudy", "rain", "snow"}

// forecast knows the weather of every city: that of its name.
func forecast(w http.ResponseWriter, r *http.Request) {
	days, err := strconv.Atoi(r.URL.Query().Get("days"))
	if err != nil || days < 1 || days > 7 {
		http.Error(w, "days: want 1 to 7", http.StatusBadRequest)
		return
	}
	city := r.PathValue("city")
	if city == "Atlantis" {
		http.Error(w, "there is no such city", http.StatusNotFound)
		return
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(city))
	list := make([]day, days)
	for i := range list {
		n := int(h.Sum32()>>8) + i*7
		list[i] = day{skies[n%len(skies)], n%35 - 5}
	}
	answer(w, http.StatusOK, map[string]any{"city": city, "days": list})
}

func report(w http.ResponseWriter, r *http.Request) {
	var seen day
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&seen); err != nil {
		http.Error(w, "not a report", http.StatusBadRequest)
		return
	}
	answer(w, http.StatusCreated, map[string]any{"thanks": r.PathValue("city") + ": " + seen.Sky})
}

type book struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Sequel *book  `json:"sequel,omitempty"`
}

var books = []book{
	{"1", "Tom Sawyer", &book{"2", "Huckleberry Finn", nil}},
	{"2", "Huckleberry Finn", nil},
	{"3", "Moby-Dick", nil},
}

func searchBooks(w http.ResponseWriter, r *http.Request) {
	found := []book{}
	for _, b := range books {
		if strings.Contains(strings.ToLower(b.Title), strings.ToLower(r.URL.Query().Get("q"))) {
			found = append(found, b)
		}
	}
	answer(w, http.StatusOK, map[string]any{"books": found})
}

func getBook(w http.ResponseWriter, r *http.Request) {
	for _, b := range books {
		if b.ID == r.PathValue("id") {
			answer(w, http.StatusOK, b)
			return
		}
	}
	http.Error(w, "no such book", http.StatusNotFound)
}

func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// document fetches what the library says of itself.
func (s *service) document(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/library/openapi.yaml", http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, errors.New("the library has no document: " + res.Status)
	}
	return readAll(res.Body)
}
