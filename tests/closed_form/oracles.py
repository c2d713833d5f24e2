"""The oracle of each metric: tests that hold it against something that is not the engine.

``python -m tests.closed_form.oracles`` prints a table; ``test_oracles.py`` checks that every entry of the catalogue is
here, and that every test named here exists. A metric that brute force alone holds stands in ``brute_force.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.catalogue import CATALOGUE
from tests.closed_form.brute_force import STEP, WORDS

_HERE = "closed_form/"
_STEP = _HERE + "test_every_metric.py::test_every_row_holds_the_step_metrics_that_brute_force_gives"
_LAYER = _HERE + "test_every_metric.py::test_every_row_holds_the_layer_metrics_that_brute_force_gives"
_CONVERGED = _HERE + "test_every_metric.py::test_iterated_until_rounding_stops_it_an_estimate_is_the_dense_eigenvalue"
_RITZ = (
    _HERE + "test_every_metric.py::test_at_the_tolerance_of_a_live_row_largest_eigenvalues_are_never_exceeded_and_"
    "nearly_reached"
)
_RESIDUAL = (
    _HERE + "test_every_metric.py::test_a_stored_residual_is_that_of_the_dense_matrix_and_an_eigenvalue_lies_within_it"
)
_ENDS = _HERE + "test_every_metric.py::test_an_end_lies_on_its_side_of_the_value_and_of_what_brute_force_gives"
_COUNTED = (
    _HERE + "test_every_metric.py::test_no_more_eigenvalues_of_the_hessian_are_counted_above_the_edge_of_stability_"
    "than_there_are"
)


@dataclass(frozen=True)
class Oracle:
    """What a metric is compared with.

    Attributes:
        what: The other way to the same number, in words.
        tests: The tests that compare, as ``file::function`` below ``tests/``; one of them goes through the trainer.
    """

    what: str
    tests: tuple[str, ...]


def _step(what: str, *more: str) -> Oracle:
    return Oracle(what, (_STEP, *(_HERE + test for test in more)))


def _layer(what: str, *more: str) -> Oracle:
    return Oracle(what, (_LAYER, *(_HERE + test for test in more)))


def _iterated(what: str, *more: str) -> Oracle:
    return Oracle(what, (_CONVERGED, *more))


_RUNGS = "test_eigenvalue_bounds.py::test_all_five_rungs_bound_the_smallest_eigenvalue_in_their_order"
_QUEUED = "training/test_budget.py::test_queued_work_is_charged_to_its_measurement_and_the_rest_to_all_of_them"
_BUDGET = "training/test_budget.py::test_a_row_says_what_each_of_its_measurements_cost"
_FOLLOWED = "test_layer_features.py::test_every_interval_holds_the_dense_eigenvalue_or_norm"
_LOOSE = "test_weight_norms.py::test_ends_of_weight_norms_hold_along_a_run"
_DISCS = "test_gershgorin.py::test_the_enclosure_contains_the_spectrum_and_is_tighter_row_by_row"
_SPECTRA = "test_infinite_width.py::test_lemma12_and_definition6_enclose_the_spectrum_at_every_layer"
_TANGENT = "test_infinite_width.py::test_kernel_lines_are_the_extremes_of_the_recursion_in_the_runs_widths"
_LIMIT = "test_infinite_width.py::test_the_tangent_kernel_of_a_network_approaches_its_limit_as_the_width_grows"
_INTERLACE = "closed_form/test_kernel.py::test_ends_are_those_of_the_jacobian_and_interlace"

ORACLES: dict[str, Oracle] = {
    # Training
    "loss": _step("the definition, example by example", "test_losses.py::"
                  "test_values_gradients_and_hessians_are_those_of_the_definition"),
    "grad_norm": _step("autograd of the definition", "test_pass.py::"
                       "test_loss_and_gradient_are_those_of_the_definition"),
    # Optimisation
    "sample_grad_norm_max": _step("autograd, one example at a time", "test_pass.py::"
                                  "test_sample_gradient_norms_are_those_of_single_examples"),
    "pl": _step("Eq. 46 of autograd's gradient", "test_kernel.py::test_the_mu_chain_holds_for_mse_on_logits"),
    "smoothness_hessian": _iterated("eigenvalues of autograd's dense Hessian", _RITZ, _HERE + "test_pass.py::"
                                    "test_hessian_products_are_those_of_the_dense_hessian"),
    "smoothness_hessian_residual": Oracle("‖Hv − θv‖ with the dense Hessian", (_RESIDUAL,)),
    "smoothness_ggn": _iterated("eigenvalues of the dense JᵀBBᵀJ/n", _RITZ, _HERE + "test_kernel.py::"
                                "test_gauss_newton_is_that_of_the_jacobian_and_the_logit_hessian"),
    "smoothness_step": _step("the descent lemma solved for L; mean curvature along the step by quadrature",
                             "test_every_metric.py::test_the_step_smoothness_is_the_mean_curvature_along_the_step",
                             "test_predictions.py::"
                             "test_on_a_quadratic_the_step_smoothness_is_the_rayleigh_quotient_of_the_gradient"),
    "smoothness_step_resolution": Oracle("L_step of the same weights in extended precision", (
        "training/test_step_resolution.py::"
        "test_the_error_of_the_step_smoothness_is_within_its_resolution_and_not_far_below",)),
    "smoothness_secant": _step("gradients and parameters of both rows by autograd", "test_predictions.py::"
                               "test_the_secant_lies_between_the_step_smoothness_and_l"),
    "smoothness_bound": _step("the recursion, one example at a time; dense second derivatives", "test_recursion.py::"
                              "test_the_losses_gradients_and_hessian_stay_within_their_bounds"),
    "smoothness_segment": _step("the recursion over the ball, one example at a time", "test_properties.py::"
                                "test_the_segment_bound_makes_the_descent_lemma_a_theorem_at_any_learning_rate"),
    "lipschitz_bound": _step("the recursion, one example at a time; dense Jacobians", "test_recursion.py::"
                             "test_no_jacobian_or_second_derivative_exceeds_the_recursion"),
    # Predictions
    "predicted_lemma1": _step("Eq. 3 with μ and the dense Hessian", "test_every_metric.py::"
                              "test_lemmas_1_and_10_predict_with_the_dense_hessian_of_the_row_before"),
    "predicted_descent": _step("the quadratic model of the step", "test_predictions.py::"
                               "test_the_descent_lemma_is_exact_with_the_step_smoothness_of_that_step"),
    "predicted_lemma10": _step("Eq. 40 with the paper's distance", "test_every_metric.py::"
                               "test_lemmas_1_and_10_predict_with_the_dense_hessian_of_the_row_before"),
    "ratio_lemma1": _step("losses by definition over the prediction"),
    "ratio_descent": _step("losses by definition over the prediction"),
    "ratio_lemma10": _step("losses by definition over the prediction"),
    "lemma13_bound": _step("the product, factor by factor", "test_predictions.py::"
                           "test_lemma13_in_both_forms_is_a_bound_when_l_is_global"),
    "radius_bound": _step("Eq. 4 with √γ taken plainly", "test_predictions.py::test_no_iterate_leaves_the_radius"),
    # Generalization
    "stability_beta": _step("the form in r = G/‖∇f‖", "test_generalization.py::test_the_bound_by_hand"),
    "generalization_bound": _step("the form in r = G/‖∇f‖", "test_generalization.py::"
                                  "test_with_local_mu_bound_is_at_least_floor_is_at_least_risk_floor"),
    "generalization_floor": _step("the form in r at r = 1", "test_generalization.py::"
                                  "test_with_local_mu_bound_is_at_least_floor_is_at_least_risk_floor"),
    # The tangent kernel
    "ntk_lambda_min": _iterated("eigenvalues of JJᵀ, J by autograd", _ENDS, _INTERLACE),
    "ntk_lambda_max": _iterated("eigenvalues of JJᵀ, J by autograd", _RITZ, _INTERLACE),
    "ntk_log10_cond": _iterated("eigenvalues of JJᵀ, J by autograd"),
    "pntk_lambda_min": _step("class means of J by autograd", "test_kernel.py::"
                             "test_the_compressed_kernel_is_the_jacobian_seen_through_one_cotangent"),
    "pntk_lambda_max": _step("class means of J by autograd", "test_kernel.py::"
                             "test_the_compressed_kernel_is_the_jacobian_seen_through_one_cotangent"),
    # Cost
    "step_seconds": Oracle("a clock that the test moves", (_QUEUED,)),
    "measure_seconds": Oracle("a clock that the test moves", (_BUDGET, _QUEUED)),
    "layers_seconds": Oracle("a clock that the test moves", (_BUDGET,)),
    "curvature_seconds": Oracle("a clock that the test moves", (_BUDGET,)),
    "kernel_seconds": Oracle("a clock that the test moves", (_BUDGET,)),
    # Layers
    "lambda_min": _layer("squared singular values of A/√width", _FOLLOWED),
    "lambda_max": _layer("squared singular values of A/√width", _FOLLOWED),
    "lambda_resolution": _layer("squared singular values of A/√width"),
    "log10_cond": _layer("singular values of A/√width", "test_conditioning.py::"
                         "test_at_or_below_the_resolution_it_is_a_lower_bound"),
    "gersh_row_sum": _layer("sums over entries, one by one", "test_gershgorin.py::test_a_matrix_by_hand"),
    "gersh_min_diag": _layer("entries, one by one", "test_gershgorin.py::test_a_matrix_by_hand"),
    "gersh_max_offdiag": _layer("entries, one by one", "test_gershgorin.py::test_a_matrix_by_hand"),
    "gersh_max_abs_offdiag": _layer("entries, one by one", "test_gershgorin.py::test_a_matrix_by_hand"),
    "gersh_lower": _layer("entries, one by one", _DISCS),
    "gersh_upper": _layer("entries, one by one", _DISCS),
    "eq13_op": _layer("dense eigenvalues of the change", _RUNGS),
    "eq13_fro": _layer("entries of the change", _RUNGS),
    "eq13_features_op": _layer("singular values of the change", _RUNGS),
    "eq13_features": _layer("entries of the change", _RUNGS),
    "eq13_weights": _layer("the recursion from the top, dense norms", _RUNGS),
    "weight_norm": _layer("singular values", _LOOSE),
    "weight_distance": _layer("singular values of W − W(0)", _LOOSE),
    "ntk_trace_share": _layer("column blocks of J by autograd", "test_kernel.py::"
                              "test_layer_traces_are_those_of_the_jacobians_column_blocks_and_shares_add_up_to_one"),
    "infinite_lambda_min": _layer("arc-cosine kernel and two-dimensional quadrature, entry by entry", _SPECTRA),
    "infinite_lambda_max": _layer("arc-cosine kernel and two-dimensional quadrature, entry by entry", _SPECTRA),
    "lemma12_lambda_min": _layer("1 − σ̂(1 − δ) by quadrature", "test_infinite_width.py::"
                                 "test_lemma12_has_the_known_values", _SPECTRA),
    "definition6_lambda_max": _layer("σ̂ by quadrature", "test_infinite_width.py::"
                                     "test_definition6_starts_from_the_separation_of_the_inputs", _SPECTRA),
    "infinite_ntk_lambda_min": _layer("Θ summed over layers, σ̂' by arcsine and quadrature", _LIMIT, _TANGENT),
    "infinite_ntk_lambda_max": _layer("Θ summed over layers, σ̂' by arcsine and quadrature", _LIMIT, _TANGENT),
}  # fmt: skip
ORACLES["unstable_directions"] = Oracle("eigenvalues of autograd's dense Hessian", (_COUNTED,))
ORACLES |= {
    name: Oracle(f"what {entry.end_of} is held against", (_ENDS,)) for name, entry in CATALOGUE.items() if entry.end_of
}
ORACLES |= {name: (_step if name in STEP else _layer)(words) for name, words in WORDS.items() if words}


def table() -> str:
    """The table, in the order of the catalogue."""
    lines = ["| metric | held against | tests |", "|---|---|---|"]
    for name in (name for name, entry in CATALOGUE.items() if not entry.retired):
        oracle = ORACLES[name]
        tests = "<br>".join(f"`{test.removeprefix(_HERE)}`" for test in oracle.tests)
        lines.append(f"| `{name}` | {oracle.what} | {tests} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
