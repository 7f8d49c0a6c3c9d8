package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// A proxy shows a server that wants a token to the suite, which has none: it
// adds the token to every request and changes nothing else, the Host neither.
type proxy struct {
	url string
	web *http.Server
}

// startProxy serves on a free port of the loopback interface.
func startProxy(ctx context.Context, target, token string) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // clients that leave are no news
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Header.Set("Authorization", "Bearer "+token)
		},
		FlushInterval: -1,
		ErrorLog:      quiet,
	}
	web := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// A stream may begin before the end of the request was looked at. Without
			// this the proxy then takes its own connection for broken.
			_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1 has it
			forward.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: readyWithin,
		ErrorLog:          quiet,
	}
	go func() { _ = web.Serve(listener) }() // until stop
	own := *to
	own.Host = listener.Addr().String()
	return &proxy{own.String(), web}, nil
}

func (p *proxy) stop() { _ = p.web.Close() }

// refusesAnonymous makes sure that the token is not for show.
func refusesAnonymous(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("without a token the server answers %s", res.Status)
	}
	if res.Header.Get("WWW-Authenticate") == "" {
		return errors.New("the server refuses without a challenge")
	}
	return nil
}
