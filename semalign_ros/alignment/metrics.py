"""Every metric, under one name: pure functions over arrays and sets of class names.

``docs/metrics.md`` gives the definitions. Undefined values are NaN, never 0, 1 or -1.
"""

from semalign_ros.alignment.baselines import (
    ClaimBaseline,
    JudgmentBaseline,
    best_constant_claims,
    claim_baselines,
    judgment_baselines,
)
from semalign_ros.alignment.boundary import boundary_f1, boundary_f1_per_class
from semalign_ros.alignment.claims import (
    chair,
    conditional_omission_rate,
    critical_omission_rate,
    hallucination_rate,
    object_omission_rate,
    top_k_hallucination_floor,
    top_k_omission_floor,
)
from semalign_ros.alignment.consistency import (
    agreement_table,
    cohen_kappa,
    flip_rate,
    flip_rate_to_first,
    paired_flip_rate,
    paraphrase_agreement,
    polarity_contradiction,
    temporal_flips,
)
from semalign_ros.alignment.judgments import (
    false_safe_rate,
    judgment_margin,
    misinterpretation_given_parsed,
    over_cautious_rate,
    parse_coverage,
    safety_balanced_accuracy,
    safety_misinterpretation_rate,
)
from semalign_ros.alignment.presence import (
    PresenceScores,
    presence_balanced_accuracy,
    presence_by_class,
    presence_scores,
)
from semalign_ros.alignment.robustness import (
    mean_corruption_error,
    mean_performance_under_corruption,
    relative_mean_corruption_error,
    relative_performance_under_corruption,
)
from semalign_ros.alignment.segmentation import (
    confusion_matrix,
    critical_class_recall,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
    quality_from_confusion,
    recall_per_class,
    segmentation_quality,
)

__all__ = [
    "ClaimBaseline",
    "JudgmentBaseline",
    "PresenceScores",
    "agreement_table",
    "best_constant_claims",
    "boundary_f1",
    "boundary_f1_per_class",
    "chair",
    "claim_baselines",
    "cohen_kappa",
    "conditional_omission_rate",
    "confusion_matrix",
    "critical_class_recall",
    "critical_omission_rate",
    "false_safe_rate",
    "flip_rate",
    "flip_rate_to_first",
    "hallucination_rate",
    "iou_per_class",
    "judgment_baselines",
    "judgment_margin",
    "mean_corruption_error",
    "mean_iou",
    "mean_performance_under_corruption",
    "misinterpretation_given_parsed",
    "object_omission_rate",
    "over_cautious_rate",
    "paired_flip_rate",
    "paraphrase_agreement",
    "parse_coverage",
    "pixel_accuracy",
    "polarity_contradiction",
    "presence_balanced_accuracy",
    "presence_by_class",
    "presence_scores",
    "quality_from_confusion",
    "recall_per_class",
    "relative_mean_corruption_error",
    "relative_performance_under_corruption",
    "safety_balanced_accuracy",
    "safety_misinterpretation_rate",
    "segmentation_quality",
    "temporal_flips",
    "top_k_hallucination_floor",
    "top_k_omission_floor",
]
