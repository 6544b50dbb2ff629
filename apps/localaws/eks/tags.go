package eks

import (
	"maps"
	"net/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type tagsInput struct {
	Tags map[string]string `json:"tags"`
}

// tagsOf returns the tags of the resource that the path names, for the call to change.
func (c *call) tagsOf(keys map[string][]string) (map[string]string, *protocol.Error) {
	found := c.taggedAs(c.path[0])
	all := resourceTags(found)
	maps.Copy(all, keys)
	if err := c.allow(c.path[0], all); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, refused(http.StatusNotFound, "NotFoundException", "No resource found for ARN: %s", c.path[0])
	}
	return found, nil
}

func (s *Service) taggedAs(arn string) map[string]string {
	for _, c := range s.clusters {
		if c.ARN == arn {
			return c.Tags
		}
		for _, g := range c.nodegroups {
			if g.ARN == arn {
				return g.Tags
			}
		}
		for _, a := range c.addons {
			if a.ARN == arn {
				return a.Tags
			}
		}
		for _, e := range c.entries {
			if e.ARN == arn {
				return e.Tags
			}
		}
	}
	return nil
}

func tagResource(c *call, in *tagsInput) (any, *protocol.Error) {
	tags, err := c.tagsOf(requestTags(in.Tags))
	if err != nil {
		return nil, err
	}
	after := maps.Clone(tags)
	maps.Copy(after, in.Tags)
	delete(after, simulatedTag)
	if err := first(checkTags(in.Tags), checkTags(after)); err != nil {
		return nil, refused(http.StatusBadRequest, "BadRequestException", "%s", err.Message)
	}
	maps.Copy(tags, in.Tags)
	return none{}, nil
}

func untagResource(c *call, _ *none) (any, *protocol.Error) {
	names := c.query["tagKeys"]
	tags, err := c.tagsOf(map[string][]string{"aws:TagKeys": names})
	if err != nil {
		return nil, err
	}
	for _, key := range names {
		if key != simulatedTag {
			delete(tags, key)
		}
	}
	return none{}, nil
}

func listTagsForResource(c *call, _ *none) (any, *protocol.Error) {
	tags, err := c.tagsOf(nil)
	return tagsInput{tags}, err
}
