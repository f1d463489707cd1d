package world

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"bulkhead/libs/fault"
	"bulkhead/services/e2e/chaos/trial"
)

// Where the org and the instances of ops are, for who asks them from outside.
const (
	orgHost = "127.0.0.1:8082"
	opsHost = "127.0.0.1:810"
)

// Org is the host of the org's control API, and Ops that of an instance of ops, counted from 1.
func (w *World) Org() string { return orgHost }

// Ops is told of at [World.Org].
func (w *World) Ops(n int) string { return fmt.Sprintf("%s%d", opsHost, n) }

// Target is the world as chaos' load, operators and dump know one.
func (w *World) Target() trial.Target {
	t := trial.Target{ControlURL: "http://" + orgHost + "/sim", Since: w.Since, HTTP: w.web(), Left: w.left}
	for n := range w.o.Instances {
		t.OpsURLs = append(t.OpsURLs, "http://"+w.Ops(n+1))
	}
	return t
}

// web carries requests to handlers, without a network: who asks is no part of what is tried.
func (w *World) web() carrier {
	return func(req *http.Request) (res *http.Response, err error) {
		handler, l := w.org.Sim.Handler(), (*life)(nil)
		if req.URL.Host != orgHost {
			if handler, l, err = w.doorOf(req.URL.Host); err != nil {
				return nil, err
			}
			req = req.WithContext(fault.With(req.Context(), l.point))
		}
		in := req.Clone(req.Context())
		in.RequestURI, in.RemoteAddr, in.Host = req.URL.RequestURI(), "127.0.0.1:1", req.URL.Host
		if in.Body == nil {
			in.Body = http.NoBody
		}
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler { //nolint:errorlint // that value and no other
					panic(p)
				}
				err = errLost
			}
		}()
		reply := httptest.NewRecorder()
		handler.ServeHTTP(reply, in)
		if l != nil && l.gone() {
			return nil, errKilled
		}
		if err := context.Cause(req.Context()); err != nil {
			return nil, err
		}
		res = reply.Result()
		res.Request = req
		return res, nil
	}
}

// doorOf is the API of an instance of ops, as it lives now.
func (w *World) doorOf(host string) (http.Handler, *life, error) {
	for _, s := range w.slots {
		if s.service != "ops" || host != w.Ops(s.n) {
			continue
		}
		if l := s.now(); l != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.door != nil {
				return l.door, l, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("connect to %s: refused", host)
}
