"""Resolvers called directly: what strawberry finds out on every call is found out when the schema is made.

Its own way to a resolver goes, for every field of every answer, through the names and types of all arguments
and input fields, which takes a good part of a short answer's time. The way here leads to the same resolver
with the same arguments. A field that asks for more (extensions, `root`, `parent`, static or class methods)
keeps strawberry's, and so does a value that strawberry would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, TypeAlias

import strawberry
from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema
from strawberry.scalars import is_scalar
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryMaybe, StrawberryOptional, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver
from strawberry.types.maybe import Some

Convert: TypeAlias = Callable[[Any], Any]
Resolve: TypeAlias = Callable[..., Any]


def make_direct(schema: strawberry.Schema) -> GraphQLSchema:
    """Give the schema's fields their direct resolvers, and return it as graphql-core has it."""
    core: GraphQLSchema = schema._schema  # noqa: SLF001 - its only door
    for kind in core.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                own = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
                if isinstance(own, StrawberryField) and not own.is_subscription:
                    field.resolve = _direct(own, schema) or field.resolve
    return core


class DirectResolver:
    """A field's own function, called with the arguments that graphql-core has coerced (GraphQL names)."""

    def __init__(
        self,
        field: StrawberryField,
        resolver: StrawberryResolver[Any],
        function: Callable[..., Any],
        schema: strawberry.Schema,
    ) -> None:
        names = schema.config.name_converter
        self._converts = [
            (names.from_argument(argument), argument.python_name, _converter(argument.type, schema))
            for argument in field.arguments
        ]
        self._field, self._function = field, function
        self._is_bound = resolver.self_parameter is not None
        self._info_name = resolver.info_parameter.name if resolver.info_parameter else ""
        self._info_class = schema.config.info_class

    def __call__(self, source: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
        """Return what the function returns."""
        return self._call(source, info, self._convert(given))

    def given(self, arguments: Mapping[str, Any]) -> Callable[[Any, GraphQLResolveInfo[Any]], Any]:
        """Return the resolver for these arguments, which are converted now, once for all of its calls.

        No function changes what it is given.
        """
        converted = self._convert(arguments)
        return lambda source, info: self._call(source, info, converted)

    def _convert(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {python: convert(given[name]) for name, python, convert in self._converts if name in given}

    def _call(self, source: Any, info: GraphQLResolveInfo[Any], arguments: Mapping[str, Any]) -> Any:
        if self._info_name:
            arguments = {**arguments, self._info_name: self._info_class(_raw_info=info, _field=self._field)}
        return self._function(source, **arguments) if self._is_bound else self._function(**arguments)


def _direct(field: StrawberryField, schema: strawberry.Schema) -> Resolve | None:
    """Return the field's direct resolver; None if it needs strawberry's."""
    if field.extensions:
        return None
    resolver = field.base_resolver
    if resolver is None:
        name = field.python_name
        return lambda source, _info: getattr(source, name)
    function = resolver.wrapped_func
    if (
        resolver.parent_parameter
        or resolver.root_parameter
        or isinstance(function, staticmethod | classmethod)
    ):
        return None
    return DirectResolver(field, resolver, function, schema)


def _converter(kind: Any, schema: strawberry.Schema) -> Convert:
    """Return what makes a value of this type of one that graphql-core has coerced."""
    registry = schema.schema_converter.scalar_registry

    def convert_slowly(value: Any) -> Any:
        return convert_argument(value, kind, registry, schema.config)

    if isinstance(kind, StrawberryMaybe):
        if isinstance(kind.of_type, StrawberryOptional):
            return convert_slowly
        inner = _converter(kind.of_type, schema)
        return lambda value: convert_slowly(value) if value is None else Some(inner(value))
    if isinstance(kind, StrawberryOptional):
        return _converter(kind.of_type, schema)
    if is_scalar(kind, registry) or isinstance(kind, StrawberryEnumDefinition) or has_enum_definition(kind):
        return lambda value: value
    if has_object_definition(kind):
        definition = kind.__strawberry_definition__
        if definition.is_input and definition.from_input is None:
            return _input_converter(kind, schema)
    return convert_slowly


def _input_converter(kind: Any, schema: strawberry.Schema) -> Convert:
    definition = kind.__strawberry_definition__
    # as strawberry has it: what is nullable and was not given is None
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    names = schema.config.name_converter
    converts = [
        (
            names.from_field(field),
            field.python_name,
            _converter(field.resolve_type(type_definition=definition), schema),
        )
        for field in definition.fields
    ]

    def convert(value: Mapping[str, Any] | None) -> Any:
        if value is None or value is strawberry.UNSET:
            return value
        given = {python: convert(value[name]) for name, python, convert in converts if name in value}
        return kind(**{**absent, **given})

    return convert
