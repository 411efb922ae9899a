using Moe.Testing;

namespace Moe.Core.Tests;

/// <summary>Every way of routing obeys every law.</summary>
public sealed class RouterContractTests
{
    public static TheoryData<string, RouterLaw> Cases()
    {
        var cases = new TheoryData<string, RouterLaw>();
        foreach (var router in BuiltInRouters.All.Keys)
        {
            foreach (var law in RouterContract.Laws)
                cases.Add(router, law);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_built_in_router_obeys_every_law(string router, RouterLaw law) => BuiltInRouters.All[router].Contract.Verify(law);
}
