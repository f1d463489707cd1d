package page

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/switches"
)

// switchView is a switch with where it stands.
type switchView struct {
	switches.Switch
	Position switches.Position
}

// settingView is a setting as a form shows it.
type settingView struct {
	Name, Value string
}

func (h *Handler) behaviour(*http.Request) (view, error) {
	var points []switchView
	for _, s := range switches.All {
		points = append(points, switchView{s, h.Switches.Get(s.Name)})
	}
	set, err := h.settingList()
	if err != nil {
		return view{}, err
	}
	return view{"behaviour", "Behaviour", struct {
		Switches []switchView
		Settings []settingView
		Steps    []string
	}{points, set, []string{"1m", "1h", "25h", "169h"}}}, nil
}

// settingList are the settings in force, in the order in which their JSON form has them.
func (h *Handler) settingList() ([]settingView, error) {
	text, err := json.Marshal(h.Settings.Get())
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var out []settingView
	for _, err = dec.Token(); dec.More() && err == nil; {
		var name json.Token
		var value json.RawMessage
		if name, err = dec.Token(); err == nil {
			err = dec.Decode(&value)
		}
		plain := string(value)
		if unquoted, bad := strconv.Unquote(plain); bad == nil {
			plain = unquoted
		}
		out = append(out, settingView{name.(string), plain})
	}
	return out, err
}

// moveClock moves the org's time by what the form says: a step, or to a time.
func (h *Handler) moveClock(r *http.Request) error {
	if to := r.PostForm.Get("to"); to != "" {
		for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
			t, err := time.ParseInLocation(layout, to, time.UTC)
			if err != nil {
				continue
			}
			if err := clock.Check(t); err != nil {
				return refuse(http.StatusBadRequest, "%v", err)
			}
			h.Clock.Set(t)
			return nil
		}
		return refuse(http.StatusBadRequest, "%q is no time such as 2027-01-31T12:00 (UTC).", to)
	}
	d, err := time.ParseDuration(r.PostForm.Get("by"))
	if err != nil {
		return refuse(http.StatusBadRequest, "%q is no duration such as 25h.", r.PostForm.Get("by"))
	}
	if err := clock.Check(h.Clock.Now().Add(d)); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	h.Clock.Advance(d)
	return nil
}

// changed is the member of a form that somebody changed: it comes with the text that the page showed, so that a page from
// yesterday puts nothing back that a test has moved since.
func changed(r *http.Request, name string) (string, bool) {
	text, was := r.PostForm.Get(name), r.PostForm["was."+name]
	return text, r.PostForm.Has(name) && (len(was) == 0 || was[0] != text)
}

func (h *Handler) moveSwitches(r *http.Request) error {
	wanted := map[string]string{}
	for _, s := range switches.All {
		if to, ok := changed(r, string(s.Name)); ok {
			wanted[string(s.Name)] = to
		}
	}
	text, err := json.Marshal(wanted)
	if err == nil {
		err = h.Switches.Merge(text)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "No switch was moved: %v", err)
	}
	return nil
}

// changeSettings takes the texts that were changed; what has the form of a number, true or false is one.
func (h *Handler) changeSettings(r *http.Request) error {
	now, err := h.settingList()
	if err != nil {
		return err
	}
	wanted := map[string]json.RawMessage{}
	for _, s := range now {
		text, ok := changed(r, s.Name)
		if !ok {
			continue
		}
		value := json.RawMessage(text)
		if !json.Valid(value) || bytes.ContainsAny(value, `"{[`) {
			if value, err = json.Marshal(text); err != nil {
				return err
			}
		}
		wanted[s.Name] = value
	}
	body, err := json.Marshal(wanted)
	if err == nil {
		_, err = h.Settings.Merge(body)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "Nothing was changed: %v", err)
	}
	return nil
}

// expireTokens ends every session.
func (h *Handler) expireTokens(*http.Request) error {
	h.ExpireTokens()
	return nil
}

// reset empties the org, if the box was ticked: there is no way back.
func (h *Handler) reset(r *http.Request) error {
	if r.PostForm.Get("sure") != "yes" {
		return refuse(http.StatusBadRequest, "Nothing was emptied: tick the box if you are sure.")
	}
	h.Reset()
	return nil
}
