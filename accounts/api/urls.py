from accounts.api.views import SignIn, SignOut, Users
from core.api.routing import Router

router = Router()
router.register("auth", SignIn, basename="auth")
router.register("auth", SignOut, basename="session")
router.register("users", Users, basename="user")
urlpatterns = router.urls
