"""The spec of a language model: where it comes from, and what requests to it carry."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from speechoperator.api import durations
from speechoperator.api.base import Model
from speechoperator.api.rules import Rule
from speechoperator.api.values import AnyObject, Duration, Flag, KeepAlive, LongText, OllamaModel

_REFRESH_S = 24 * 3600.0


class LanguageModel(Model):
    """A language model served by Ollama."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.from) && has(self.source))",
            lambda model: not (model.has("base") and model.has("source")),
            "from is the name to pull the base by: remove source",
        ),
        Rule(
            "has(self.from) || !(has(self.system) || has(self.template) || has(self.parameters))",
            lambda model: model.has("base") or not model.has("system", "template", "parameters"),
            "system, template and parameters define a derived model: set from to its base",
        ),
        Rule(
            "!has(self.from) || self.from != self.name",
            lambda model: model.base != model.name,
            "a derived model needs a name of its own: name and from must differ",
        ),
        Rule(
            "!has(self.refreshInterval) || self.pullPolicy == 'Always'",
            lambda model: not model.has("refresh_interval") or model.pull_policy == "Always",
            "refreshInterval needs pullPolicy: Always",
        ),
    )

    name: OllamaModel = Field(description="Name of the model as clients request it, such as qwen3:4b.")
    source: OllamaModel | None = Field(
        None,
        description="Name to pull the model by, such as registry.example.com:5000/library/qwen3:4b; clients still "
        "use name. If unset, name.",
    )
    insecure: Flag = Field(default=False, description="Pull over plain HTTP, from a registry without TLS.")
    pull_policy: Literal["IfNotPresent", "Always"] = Field(
        "IfNotPresent",
        description="IfNotPresent: pull the model once. Always: ask the registry again every refreshInterval, and pull "
        "what has changed; requests use the previous model until the new one is complete.",
    )
    refresh_interval: Duration | None = Field(
        None, description="Time between two pulls with pullPolicy Always, from 1s to 24h. If unset, 24h."
    )
    base: OllamaModel | None = Field(
        None,
        alias="from",
        description="Base of a derived model: it is pulled by this name, and the model is created from it with system, "
        "template and parameters. A change of these creates it again. If unset, the model is not derived.",
    )
    system: LongText | None = Field(None, description="System prompt of a derived model. If unset, that of the base.")
    template: LongText | None = Field(
        None, description="Prompt template of a derived model, in Go's syntax. If unset, that of the base."
    )
    parameters: AnyObject | None = Field(
        None,
        description="Default parameters of a derived model, as in a Modelfile, such as temperature or stop. If unset, "
        "those of the base.",
    )
    keep_alive: KeepAlive | None = Field(
        None,
        description="How long this model stays loaded after its last request, such as 30m; -1 keeps it loaded "
        "indefinitely. If unset, ollama.keepAlive.",
    )
    options: AnyObject | None = Field(
        None,
        description="Options that the bridge sends with each request to this model, such as num_ctx or top_p; those of "
        "the client have precedence. If unset, none but contextLength.",
    )

    @property
    def pulled_as(self) -> str:
        """The name by which it, or its base, is pulled."""
        return self.base or self.source or self.name

    @property
    def refresh_s(self) -> float | None:
        """Seconds between two pulls; None if it is pulled once."""
        if self.pull_policy != "Always":
            return None
        return durations.seconds(self.refresh_interval) if self.refresh_interval else _REFRESH_S
