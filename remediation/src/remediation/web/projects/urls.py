"""The addresses of projects."""

from django.urls import path

from . import acting, making, project, projects

urlpatterns = [
    path("projects/", projects.all_projects, name="projects"),
    path("projects/new", making.new, name="project-new"),
    path("projects/preview", making.preview, name="project-preview"),
    path("projects/<slug:slug>/", project.project, name="project"),
    path("projects/<slug:slug>/runs", project.runs, name="project-runs"),
    path("projects/<slug:slug>/change", making.change, name="project-change"),
    path("projects/<slug:slug>/plan", acting.plan_now, name="plan-now"),
    path("projects/<slug:slug>/run", acting.run_now, name="run-now"),
    path("projects/<slug:slug>/pause", acting.pause, name="pause-project"),
    path("projects/<slug:slug>/move", acting.move, name="move-project"),
    path("projects/<slug:slug>/plans/<int:number>/approve", acting.approve_plan, name="approve-plan"),
]
