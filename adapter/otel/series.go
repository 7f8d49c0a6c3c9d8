package otel

import (
	"maps"
	"reflect"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/series"
)

// callSeries is what is the same for all calls of one method and name.
type callSeries struct {
	span  string // the name
	attrs []attribute.KeyValue

	succeeded []metric.RecordOption
	failed    atomic.Pointer[map[mcperrors.Code][]metric.RecordOption]
}

func newSeries(k series.Key) *callSeries {
	s := &callSeries{span: k.Method, attrs: []attribute.KeyValue{keyMethod.String(k.Method)}}
	if k.Method == "tools/call" {
		s.attrs = append(s.attrs, keyOperation.String(executeTool))
	}
	if k.Name != "" && k.Name != series.Other {
		s.span += " " + k.Name
		key := keyTool
		if k.Method == "prompts/get" {
			key = keyPrompt
		}
		s.attrs = append(s.attrs, key.String(k.Name))
	}
	s.succeeded = recordOptions(s.attrs)
	s.failed.Store(&map[mcperrors.Code][]metric.RecordOption{})
	return s
}

func recordOptions(attrs []attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

// options are the attributes of a duration, ready made. The codes are few.
func (s *callSeries) options(failed bool, code mcperrors.Code) []metric.RecordOption {
	if !failed {
		return s.succeeded
	}
	known := s.failed.Load()
	if o, ok := (*known)[code]; ok {
		return o
	}
	kind := string(code)
	if code == "" {
		kind = errorOfTool
	}
	o := recordOptions(append(slices.Clip(s.attrs), keyError.String(kind)))
	grown := maps.Clone(*known)
	grown[code] = o
	s.failed.CompareAndSwap(known, &grown) // whoever comes later makes it again
	return o
}

// isNil reports whether v is a typed nil.
func isNil(v any) bool {
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil()
}
