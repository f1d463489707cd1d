package salesforce

import (
	"context"
	"net/http"
)

// Objects are the API names of all objects that the user may see, in the org's own spelling (REST API: Describe Global). It may be sent
// again.
func (c *Client) Objects(ctx context.Context) ([]string, error) {
	var reply struct {
		Objects []struct {
			Name string `json:"name"`
		} `json:"sobjects"`
	}
	r := request{method: http.MethodGet, path: "sobjects", route: "sobjects", repeat: true}
	if err := c.call(ctx, r, &reply); err != nil {
		return nil, err
	}
	if len(reply.Objects) == 0 {
		return nil, unusable(r, "the reply names no object")
	}
	out := make([]string, len(reply.Objects))
	for i, o := range reply.Objects {
		out[i] = o.Name
	}
	return out, nil
}
