package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/seal"
)

// A viewer is somebody who lists.
type viewer struct {
	*authorizer

	ctx    context.Context //nolint:containedctx // it lives as long as the call
	req    mcp.Request
	who    *Principal
	method string
}

// sees reports whether the caller sees the thing of that name.
func (v *viewer) sees(verb Verb, kind Kind, name string) bool {
	need, shown := v.Show(v.ctx, v.req, kind, name)
	return shown && v.Policy.Decide(v.ctx, v.who, Action{verb, kind, name, need}).Listed()
}

// lists are the methods that list.
var lists = map[string]func(v *viewer, next mcp.MethodHandler) (mcp.Result, error){
	"tools/list": func(v *viewer, next mcp.MethodHandler) (mcp.Result, error) {
		return list(v, next,
			func(p *mcp.ListToolsParams) *string { return &p.Cursor },
			func(r *mcp.ListToolsResult) (*[]*mcp.Tool, *string, *mcp.Cacheable) {
				return &r.Tools, &r.NextCursor, &r.Cacheable
			},
			func(t *mcp.Tool) (string, bool) { return t.Name, v.sees(Execute, Tools, t.Name) })
	},
	"prompts/list": func(v *viewer, next mcp.MethodHandler) (mcp.Result, error) {
		return list(v, next,
			func(p *mcp.ListPromptsParams) *string { return &p.Cursor },
			func(r *mcp.ListPromptsResult) (*[]*mcp.Prompt, *string, *mcp.Cacheable) {
				return &r.Prompts, &r.NextCursor, &r.Cacheable
			},
			func(p *mcp.Prompt) (string, bool) { return p.Name, v.sees(Read, Prompts, p.Name) })
	},
	"resources/list": func(v *viewer, next mcp.MethodHandler) (mcp.Result, error) {
		return list(v, next,
			func(p *mcp.ListResourcesParams) *string { return &p.Cursor },
			func(r *mcp.ListResourcesResult) (*[]*mcp.Resource, *string, *mcp.Cacheable) {
				return &r.Resources, &r.NextCursor, &r.Cacheable
			},
			func(r *mcp.Resource) (string, bool) { return r.URI, v.sees(Read, Resources, r.URI) })
	},
	"resources/templates/list": func(v *viewer, next mcp.MethodHandler) (mcp.Result, error) {
		return list(v, next,
			func(p *mcp.ListResourceTemplatesParams) *string { return &p.Cursor },
			func(r *mcp.ListResourceTemplatesResult) (*[]*mcp.ResourceTemplate, *string, *mcp.Cacheable) {
				return &r.ResourceTemplates, &r.NextCursor, &r.Cacheable
			},
			func(t *mcp.ResourceTemplate) (string, bool) {
				return t.URITemplate, v.sees(Read, Resources, t.URITemplate)
			})
	},
}

// list answers with a page of its own. What go-sdk answered is left alone: its
// items are everybody's.
func list[P, R, T any, PP interface {
	*P
	mcp.Params
}, RP interface {
	*R
	mcp.Result
}](
	v *viewer, next mcp.MethodHandler,
	cursorOf func(PP) *string, partsOf func(RP) (*[]*T, *string, *mcp.Cacheable), see func(*T) (string, bool),
) (mcp.Result, error) {
	var params P
	if p, ok := v.req.GetParams().(PP); ok && p != nil {
		params = *p
	}
	session, _ := v.req.GetSession().(*mcp.ServerSession)
	var own R
	page, cursor, err := pageOf(v, *cursorOf(&params), func(cursor string) ([]*T, string, error) {
		p := params
		*cursorOf(&p) = cursor
		res, err := next(v.ctx, v.method, &mcp.ServerRequest[PP]{Session: session, Params: &p, Extra: v.req.GetExtra()})
		if err != nil {
			return nil, "", err
		}
		r, ok := res.(RP)
		if !ok || r == nil {
			return nil, "", errNoList
		}
		own = *r
		items, more, _ := partsOf(r)
		return *items, *more, nil
	}, see)
	if err != nil {
		return nil, err
	}
	items, more, hints := partsOf(&own)
	*items, *more, hints.CacheScope = page, cursor, "private"
	return RP(&own), nil
}

var errNoList = errors.New("auth: the server answered a list with something else")

// pageOf fills a page with what the caller sees. It reads as many of the
// server's own pages as that takes: one that is short, or empty, would tell that
// there is more than the caller sees.
func pageOf[T any](v *viewer, cursor string, fetch func(string) ([]*T, string, error), see func(*T) (name string, seen bool)) (page []*T, _ string, err error) {
	if cursor != "" {
		if cursor, err = v.openCursor(cursor); err != nil {
			return nil, "", err
		}
	}
	page = []*T{} // an empty list is not null
	var last string
	for {
		items, next, err := fetch(cursor)
		if err != nil {
			return nil, "", err
		}
		if cap(page) == 0 {
			page = make([]*T, 0, min(len(items), v.PageSize))
		}
		for _, item := range items {
			if item == nil {
				continue
			}
			name, seen := see(item)
			switch {
			case !seen:
			case len(page) == v.PageSize:
				return page, v.sealCursor(last), nil // there is more
			default:
				page, last = append(page, item), name
			}
		}
		if next == "" || next == cursor || v.ctx.Err() != nil {
			return page, "", v.ctx.Err()
		}
		cursor = next
	}
}

// sealCursor returns the cursor for what comes after the thing of that name,
// which the caller has seen.
func (v *viewer) sealCursor(last string) string {
	return v.Cursors.Seal([]byte(last), v.binding())
}

func (v *viewer) openCursor(sealed string) (string, error) {
	last, err := v.Cursors.Open(sealed, v.binding())
	if err != nil {
		return "", mcperrors.Wrap(mcperrors.Validation, "the cursor is not valid here, or no longer", err)
	}
	return sdkCursor(string(last))
}

func (v *viewer) binding() []byte {
	return seal.Binding([]byte("cursor"), []byte(v.method), []byte(v.who.Key()))
}

// sdkCursor is go-sdk's cursor for what comes after the thing of that name. A
// test pins it against go-sdk.
func sdkCursor(last string) (string, error) {
	type pageToken struct{ LastUID string }
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(pageToken{last}); err != nil {
		return "", err
	}
	return base64.URLEncoding.EncodeToString(buf.Bytes()), nil
}
