"""Is it collapsing? What a personalised concept has done to the words around it, measured.

    diagnose             all of the following, of a file or of a pipeline
    contexts             sentences around a class word; asked_contexts has new ones written
    drift                token level: learned rows beside their anchor
    prompts              prompt level: the words around the concept, in a text encoder's output
    prompt_figures       all of the prompt level, of one encoder
    probe                what the denoiser still hears of the context
    pictures             image space: drawn in context, measured by CLIP and a judge
    verdict              what it comes to, and what to try
    training             all of it over the checkpoints of a training, arm by arm; points is what it leaves,
                         checkpoints, text_curves and previews are how
    keeping              which checkpoint to keep
    tables, prompt_tables, plots, training_plots      what is shown
    report, training_report, results                  where it is written: a page, figures, JSON

What may be imported from here is below. matplotlib and jinja2 are imported where a figure or a page is made,
diffusers not at all.
"""

from .contexts import Contexts, contexts_for, fitting, read_contexts
from .diagnose import (
    Diagnosis,
    DiagnosisSettings,
    diagnose_embeddings,
    diagnose_pipeline,
    diagnosing,
    worst_first,
)
from .keeping import Kept, best_kept
from .pictures import Pictures, PictureSettings, arms_for, draw_pictures
from .points import Measured, Point, TrainingDiagnosis
from .probe import Probe, ProbeSettings
from .report import save_diagnosis
from .training import diagnose_trajectory, diagnosing_trajectory, usual_arms
from .training_report import save_training
from .verdict import Advice, Verdict

__all__ = [
    "Advice",
    "Contexts",
    "Diagnosis",
    "DiagnosisSettings",
    "Kept",
    "Measured",
    "PictureSettings",
    "Pictures",
    "Point",
    "Probe",
    "ProbeSettings",
    "TrainingDiagnosis",
    "Verdict",
    "arms_for",
    "best_kept",
    "contexts_for",
    "diagnose_embeddings",
    "diagnose_pipeline",
    "diagnose_trajectory",
    "diagnosing",
    "diagnosing_trajectory",
    "draw_pictures",
    "fitting",
    "read_contexts",
    "save_diagnosis",
    "save_training",
    "usual_arms",
    "worst_first",
]
