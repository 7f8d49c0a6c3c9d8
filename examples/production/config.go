package main

import (
	"bytes"
	_ "embed" // the defaults
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"go.yaml.in/yaml/v4"
)

//go:embed config.yaml
var defaultConfig []byte

//go:embed policy.yaml
var defaultPolicy []byte

// config is what the file and the flags say.
type config struct {
	Addr  string `yaml:"addr"`
	Admin string `yaml:"admin"`
	Auth  struct {
		Audience   string `yaml:"audience"`
		Issuer     string `yaml:"issuer"`
		JWKS       string `yaml:"jwks"`
		RolesClaim string `yaml:"roles_claim"`
		APIKeys    string `yaml:"api_keys"`
	} `yaml:"auth"`
	Policy string `yaml:"policy"`
	Store  struct {
		SQLite   string `yaml:"sqlite"`
		Postgres string `yaml:"postgres"`
	} `yaml:"store"`
	Redis  string `yaml:"redis"`
	Limits struct {
		PerSecond       int `yaml:"per_second"`
		WritesPerMinute int `yaml:"writes_per_minute"`
	} `yaml:"limits"`
	Traces      string  `yaml:"traces"`
	SampleRatio float64 `yaml:"sample_ratio"`
	Drain       struct {
		Wait    time.Duration `yaml:"wait"`
		Timeout time.Duration `yaml:"timeout"`
	} `yaml:"drain"`

	noAuth, chaos bool // flags only: no file turns them on unseen
}

// Where traces go.
const (
	tracesStdout = "stdout"
	tracesOff    = "none"
)

// readConfig reads the defaults, then the file that the arguments name, then
// the other arguments.
func readConfig(args []string) (*config, error) {
	c := new(config)
	if err := c.decode(defaultConfig); err != nil {
		return nil, err
	}
	set := flag.NewFlagSet("production", flag.ContinueOnError)
	file := set.String("config", "", "YAML `file`, such as a copy of the config.yaml beside this program")
	addr := set.String("addr", "", "listen for callers on `host:port`")
	admin := set.String("admin", "", "listen for probes, metrics and operators on `host:port`")
	postgres := set.String("postgres", "", "keep events at this `URL` instead of in a file")
	redis := set.String("redis", "", "share limits and sessions over this `host:port`")
	set.BoolVar(&c.noAuth, "no-auth", false, "let everybody call; on loopback only")
	set.BoolVar(&c.chaos, "chaos", false, "add tools that misbehave, for tests of load and faults")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag", set.Arg(0))
	}
	if *file != "" {
		text, err := os.ReadFile(*file)
		if err != nil {
			return nil, err
		}
		if err := c.decode(text); err != nil {
			return nil, fmt.Errorf("%s: %w", *file, err)
		}
	}
	for _, f := range []struct {
		flag *string
		to   *string
	}{{addr, &c.Addr}, {admin, &c.Admin}, {postgres, &c.Store.Postgres}, {redis, &c.Redis}} {
		if *f.flag != "" {
			*f.to = *f.flag
		}
	}
	return c, c.check()
}

// decode takes what text says over what c has. A field that nobody knows is a
// mistake: it may be the misspelled name of one that matters.
func (c *config) decode(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d.Decode(c)
}

func (c *config) check() error {
	var mistakes []error
	known := c.Auth.Issuer != "" || c.Auth.APIKeys != ""
	switch {
	case !known && !c.noAuth:
		mistakes = append(mistakes, errors.New("nobody could call: name auth.issuer or auth.api_keys in -config, or try it with -no-auth"))
	case known && c.noAuth:
		mistakes = append(mistakes, errors.New("-no-auth beside auth.issuer or auth.api_keys: one of them is not meant"))
	case c.noAuth && !onLoopback(c.Addr):
		mistakes = append(mistakes, errors.New("-no-auth is for loopback addresses, such as 127.0.0.1:8080"))
	}
	if c.Limits.PerSecond < 1 || c.Limits.WritesPerMinute < 1 {
		mistakes = append(mistakes, errors.New("limits: each is at least 1"))
	}
	if (c.Traces != tracesStdout && c.Traces != tracesOff) || !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		mistakes = append(mistakes, errors.New("traces: stdout or none; sample_ratio: 0 to 1"))
	}
	if c.Drain.Wait <= 0 || c.Drain.Timeout <= 0 {
		mistakes = append(mistakes, errors.New("drain: wait and timeout are more than 0"))
	}
	return errors.Join(mistakes...)
}

func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// url is where clients reach the server, and what their tokens are for.
func (c *config) url() string {
	if c.Auth.Audience != "" {
		return c.Auth.Audience
	}
	return "http://" + c.Addr + "/mcp"
}
