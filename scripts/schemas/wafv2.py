"""The rule statement of AWS WAF, by hand: the bindings replace this recursive block by a value of any type.

Statements nest three levels deep below the root (`webACLRootStatementSchemaLevel` and
`ruleGroupRootStatementSchemaLevel` in the provider's internal/service/wafv2/consts.go); the blocks are those of
internal/service/wafv2/schemas.go. A required list block asks for at least one item; `min_items` of an optional block is
not part of a schema that Terraform sees.
"""

from bindings import block

LEVELS = 3


def web_acl_statement() -> list:
    """`aws_wafv2_web_acl.rule.statement`."""
    managed = {
        "managed_rule_group_statement": _list(
            {"name": _string("r"), "vendor_name": _string("r"), "version": _string("o")},
            {
                "managed_rule_group_configs": _list(
                    {"login_path": _string("o"), "payload_type": _string("o")}, _managed_configs(), at_most=0
                ),
                "rule_action_override": _rule_action_override(),
                "scope_down_statement": _scope_down(),
            },
        ),
        "rule_group_reference_statement": _list(
            {"arn": _string("r")}, {"rule_action_override": _rule_action_override()}
        ),
    }
    return _list({}, _root() | managed, at_least=1)


def rule_group_statement() -> list:
    """`aws_wafv2_rule_group.rule.statement`."""
    return _list({}, _root(), at_least=1)


def _root() -> dict:
    return _matches() | _logical(LEVELS) | {"rate_based_statement": _rate_based()}


def _scope_down() -> list:
    return _list({}, _matches() | _logical(LEVELS - 1))


def _logical(level: int) -> dict:
    """and, or, not: each holds statements that may hold `level - 1` further levels."""
    inner = _matches() | (_logical(level - 1) if level > 1 else {})
    wrapped = _list({}, {"statement": _list({}, inner, at_least=1, at_most=0)})
    return {"and_statement": wrapped, "not_statement": wrapped, "or_statement": wrapped}


def _matches() -> dict:
    inspected = {"field_to_match": _field_to_match(), "text_transformation": _text_transformation()}
    return {
        "asn_match_statement": _list(
            {"asn_list": [["list", "number"], "r"]}, {"forwarded_ip_config": _forwarded_ip()}
        ),
        "byte_match_statement": _list(
            {"positional_constraint": _string("r"), "search_string": _string("r")}, inspected
        ),
        "geo_match_statement": _list(
            {"country_codes": _strings("r")}, {"forwarded_ip_config": _forwarded_ip()}
        ),
        "ip_set_reference_statement": _list(
            {"arn": _string("r")}, {"ip_set_forwarded_ip_config": _forwarded_ip(position=True)}
        ),
        "label_match_statement": _list({"key": _string("r"), "scope": _string("r")}),
        "regex_match_statement": _list({"regex_string": _string("r")}, inspected),
        "regex_pattern_set_reference_statement": _list({"arn": _string("r")}, inspected),
        "size_constraint_statement": _list(
            {"comparison_operator": _string("r"), "size": _number("r")}, inspected
        ),
        "sqli_match_statement": _list({"sensitivity_level": _string("o")}, inspected),
        "xss_match_statement": _list({}, inspected),
    }


def _field_to_match() -> list:
    fallback = _list({"fallback_behavior": _string("r")})
    pattern = {"match_scope": _string("r"), "oversize_handling": _string("r")}
    return _list(
        {},
        {
            "all_query_arguments": _list(),
            "body": _list({"oversize_handling": _string("o")}),
            "cookies": _list(
                pattern,
                {
                    "match_pattern": _list(
                        {"excluded_cookies": _strings("o"), "included_cookies": _strings("o")},
                        {"all": _list()},
                        at_least=1,
                        at_most=0,
                    )
                },
            ),
            "header_order": _list({"oversize_handling": _string("r")}, at_most=0),
            "headers": _list(
                pattern,
                {
                    "match_pattern": _list(
                        {"excluded_headers": _strings("o"), "included_headers": _strings("o")},
                        {"all": _list()},
                        at_least=1,
                    )
                },
                at_most=0,
            ),
            "ja3_fingerprint": fallback,
            "ja4_fingerprint": fallback,
            "json_body": _list(
                {
                    "invalid_fallback_behavior": _string("o"),
                    "match_scope": _string("r"),
                    "oversize_handling": _string("o"),
                },
                {"match_pattern": _list({"included_paths": _strings("o")}, {"all": _list()}, at_least=1)},
            ),
            "method": _list(),
            "query_string": _list(),
            "single_header": _named(),
            "single_query_argument": _named(),
            "uri_fragment": _list({"fallback_behavior": _string("oc")}),
            "uri_path": _list(),
        },
    )


def _text_transformation() -> list:
    return ["set", 1, 0, block({"priority": _number("r"), "type": _string("r")}, {})]


def _forwarded_ip(position: bool = False) -> list:
    place = {"position": _string("r")} if position else {}
    return _list({"fallback_behavior": _string("r"), "header_name": _string("r")} | place)


def _rate_based() -> list:
    transformed = {"text_transformation": _text_transformation()}
    fingerprint = _list({"fallback_behavior": _string("r")})
    keys = {
        "asn": _list(),
        "cookie": _list({"name": _string("r")}, transformed),
        "forwarded_ip": _list(),
        "header": _list({"name": _string("r")}, transformed),
        "http_method": _list(),
        "ip": _list(),
        "ja3_fingerprint": fingerprint,
        "ja4_fingerprint": fingerprint,
        "label_namespace": _list({"namespace": _string("r")}),
        "query_argument": _list({"name": _string("r")}, transformed),
        "query_string": _list({}, transformed),
        "uri_path": _list({}, transformed),
    }
    return _list(
        {"aggregate_key_type": _string("o"), "evaluation_window_sec": _number("o"), "limit": _number("r")},
        {
            "custom_key": _list({}, keys, at_most=5),
            "forwarded_ip_config": _forwarded_ip(),
            "scope_down_statement": _scope_down(),
        },
    )


def _rule_action_override() -> list:
    header = block({"name": _string("r"), "value": _string("r")}, {})
    handling = {"custom_request_handling": _list({}, {"insert_header": ["set", 1, 0, header]})}
    response = {
        "custom_response": _list(
            {"custom_response_body_key": _string("o"), "response_code": _number("r")},
            {"response_header": ["set", 0, 0, header]},
        )
    }
    actions = {name: _list({}, handling) for name in ("allow", "captcha", "challenge", "count")}
    return _list(
        {"name": _string("r")},
        {"action_to_use": _list({}, actions | {"block": _list({}, response)}, at_least=1)},
        at_most=100,
    )


def _managed_configs() -> dict:
    identifier = {"identifier": _string("r")}
    field, required_field = _list(identifier), _list(identifier, at_least=1)
    fields = _list({"identifiers": _strings("r")})
    outcome = {"failure_values": [["set", "string"], "r"], "success_values": [["set", "string"], "r"]}
    response = _list(
        {},
        {
            "body_contains": _list(
                {"failure_strings": [["set", "string"], "r"], "success_strings": [["set", "string"], "r"]}
            ),
            "header": _list({"name": _string("r")} | outcome),
            "json": _list(identifier | outcome),
            "status_code": _list(
                {"failure_codes": [["set", "number"], "r"], "success_codes": [["set", "number"], "r"]}
            ),
        },
    )
    account_creation = _list(
        {"payload_type": _string("r")},
        {
            "address_fields": fields,
            "email_field": field,
            "password_field": field,
            "phone_number_fields": fields,
            "username_field": field,
        },
        at_least=1,
    )
    account_takeover = _list(
        {"payload_type": _string("r")}, {"password_field": required_field, "username_field": required_field}
    )
    challenge = _list(
        {"sensitivity": _string("o"), "usage_of_action": _string("r")},
        {"exempt_uri_regular_expression": _list({"regex_string": _string("o")}, at_most=5)},
        at_least=1,
    )
    return {
        "aws_managed_rules_acfp_rule_set": _list(
            {
                "creation_path": _string("r"),
                "enable_regex_in_path": ["bool", "oc"],
                "registration_page_path": _string("r"),
            },
            {"request_inspection": account_creation, "response_inspection": response},
        ),
        "aws_managed_rules_anti_ddos_rule_set": _list(
            {"sensitivity_to_block": _string("o")},
            {"client_side_action_config": _list({}, {"challenge": challenge}, at_least=1)},
        ),
        "aws_managed_rules_atp_rule_set": _list(
            {"enable_regex_in_path": ["bool", "oc"], "login_path": _string("r")},
            {"request_inspection": account_takeover, "response_inspection": response},
        ),
        "aws_managed_rules_bot_control_rule_set": _list(
            {"enable_machine_learning": ["bool", "o"], "inspection_level": _string("r")}
        ),
        "password_field": field,
        "username_field": field,
    }


def _list(
    attributes: dict | None = None, blocks: dict | None = None, at_least: int = 0, at_most: int = 1
) -> list:
    return ["list", at_least, at_most, block(attributes or {}, blocks or {})]


def _named() -> list:
    return _list({"name": _string("r")})


def _string(flags: str) -> list:
    return ["string", flags]


def _number(flags: str) -> list:
    return ["number", flags]


def _strings(flags: str) -> list:
    return [["list", "string"], flags]
